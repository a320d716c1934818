"""Letters in another case: a text that a model writes in ordinary letters is put into the one asked for.

Small models know words in capitals as odd pieces, and lose themselves in them. In ordinary letters they write
as ever.
"""

from __future__ import annotations

from typing import Literal, TypeAlias
from unicodedata import combining

__all__ = ["Casing", "LetterCase", "Place", "cased", "recased"]

LetterCase: TypeAlias = Literal["lower", "upper", "title"]
Place: TypeAlias = Literal["", "word", "apostrophe"]
"""What stands before a character: a letter, an apostrophe behind a letter, or anything else."""

_APOSTROPHES = "'\u2019"


def recased(kind: LetterCase, before: Place, character: str) -> tuple[str, Place]:
    """Return a character in a case, and what the next one finds before it.

    In title case a letter behind an apostrophe within a word stays as it is: ``Don't``, ``O'Brien``.
    """
    if kind != "title":
        return character.lower() if kind == "lower" else character.upper(), ""
    if combining(character):
        return character, before
    if character.lower() == character.upper():
        return character, "apostrophe" if before == "word" and character in _APOSTROPHES else ""
    kept = {"word": character.lower(), "apostrophe": character}
    return kept.get(before, character.title()), "word"


class Casing:
    """Puts pieces of one text, in their order, into a case.

    Args:
        kind: The case.
    """

    def __init__(self, kind: LetterCase) -> None:
        self._kind = kind
        self._before: Place = ""

    def feed(self, piece: str) -> str:
        """Return the next piece in the case."""
        return "".join(map(self._next, piece))

    def _next(self, character: str) -> str:
        written, self._before = recased(self._kind, self._before, character)
        return written


def cased(text: str, kind: LetterCase | None) -> str:
    """Return a whole text in a case; None leaves it as it is."""
    return text if kind is None else Casing(kind).feed(text)
