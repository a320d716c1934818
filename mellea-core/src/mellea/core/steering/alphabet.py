"""The letters of a text: which scripts it is written in, and how its sentences end."""

from __future__ import annotations

from attrs import evolve, frozen

from mellea.core.steering.pattern import Letters

__all__ = ["SCRIPTS", "Script", "joined", "script_of", "scripts_in"]


@frozen
class Script:
    """One script, as far as writing sentences in it goes.

    Args:
        name: Its English name.
        lower: Its small letters, or all of them where there is no case.
        upper: Its capitals; None where there is no case.
        ends: Marks that end a sentence.
        comma: The mark inside a sentence; empty for none.
        spaced: Whether words are divided by spaces.
        tokens: How many tokens a word, or a character where words are not divided, takes at most, as a bound
            for planning.
    """

    name: str
    lower: Letters
    upper: Letters | None
    ends: str = ".!?"
    comma: str = ","
    spaced: bool = True
    tokens: int = 3

    def __contains__(self, character: str) -> bool:
        return character in self.lower or (self.upper is not None and character in self.upper)


_ACCENTS = (
    "āăąćĉċčďđēĕėęěĝğġģĥħĩīĭį\u0131ĵķĺļľłńņňŋōŏőœŕŗřśŝşšţť"
    "ũūŭůűųŵŷźżžșțấạảầẩẫậắằặẹẻẽếềểễệỉịọỏốồổỗộớờởợụủứừửữựỳỵ"
)
_LATIN = Letters.of("az"), Letters.of("AZ")
_ACCENTED = (
    Letters.of("azßöøÿ") | Letters.among(_ACCENTS),
    Letters.of("AZÀÖØÞ") | Letters.among("".join(each for each in _ACCENTS.upper() if each not in "I\u0131")),
)
_HAN = "\u4e00\u9fff"

SCRIPTS: dict[str, Script] = {
    script.name: script
    for script in (
        Script("Latin", *_LATIN),
        Script("accented Latin", *_ACCENTED, tokens=6),
        Script(
            "Greek",
            Letters.of("\u03ac\u03ce"),
            Letters.of("\u0386\u0386\u0388\u038f\u0391\u03ab").without("\u038b\u038d\u03a2"),
            ".!",
            tokens=12,
        ),
        Script(
            "Cyrillic",
            Letters.of("\u0430\u045f\u0491\u0491"),
            Letters.of("\u0400\u042f\u0490\u0490"),
            tokens=12,
        ),
        Script(
            "Arabic",
            Letters.of("\u0621\u063a\u0641\u064a") | Letters.among("پچژکگی"),
            None,
            ".!",
            "،",
            tokens=12,
        ),
        Script("Devanagari", Letters.of("\u0904\u0939\u093c\u094d\u0901\u0903"), None, "।", tokens=24),
        Script("Han", Letters.of(_HAN), None, "。\uff01\uff1f", "\uff0c", spaced=False),
        Script(
            "Kana",
            Letters.of("\u3041\u3096\u30a1\u30fa\u30fc\u30fc" + _HAN),
            None,
            "。\uff01\uff1f",
            "、",
            spaced=False,
        ),
        Script("Hangul", Letters.of("\uac00\ud7a3"), None, tokens=12),
    )
}
"""The scripts known, by name; the first that has a letter is taken for it."""


def script_of(character: str) -> Script | None:
    """Return the script that a letter belongs to; None for what is no letter of a known script."""
    return next((script for script in SCRIPTS.values() if character in script), None)


def scripts_in(text: str) -> tuple[Script, ...]:
    """Return the scripts of a text, the most frequent first.

    A text without known letters is taken for Latin.
    """
    counts: dict[str, int] = {}
    for character in text:
        script = script_of(character)
        if script is not None:
            counts[script.name] = counts.get(script.name, 0) + 1
    if "accented Latin" in counts:
        counts["accented Latin"] += counts.pop("Latin", 0)
    if "Kana" in counts:
        counts["Kana"] += counts.pop("Han", 0)
    return tuple(SCRIPTS[name] for name in sorted(counts, key=counts.__getitem__, reverse=True)) or (
        SCRIPTS["Latin"],
    )


def joined(scripts: tuple[Script, ...]) -> Script:
    """Return one script with the letters of all, and the habits of the first."""
    first, *others = scripts
    for other in others:
        if other.spaced != first.spaced:
            continue
        upper = first.upper | other.upper if first.upper and other.upper else first.upper or other.upper
        first = evolve(
            first, lower=first.lower | other.lower, upper=upper, tokens=max(first.tokens, other.tokens)
        )
    return first
