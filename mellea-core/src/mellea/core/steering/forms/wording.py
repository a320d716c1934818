"""Forms about words and letters.

Where a text begins and ends, what occurs in it and what does not, case, script.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.alphabet import SCRIPTS, joined, script_of, scripts_in
from mellea.core.steering.casing import LetterCase, cased
from mellea.core.steering.forms.base import Form, as_texts, some_text, whole_number
from mellea.core.steering.plan import NotSteerableError, TextPlan, Wanted

__all__ = ["Avoids", "AvoidsCharacters", "BeginsWith", "Case", "Contains", "EndsWith", "InScript", "Numbers"]

_MOST = 8
"""Most things that a plan makes occur for one form."""


@frozen
class BeginsWith(Form):
    """The first characters of the text."""

    text: str = field()

    def __attrs_post_init__(self) -> None:
        some_text(self.text, "BeginsWith")

    def describe(self) -> str:
        """Return the form in words."""
        return f"Begin with: {self.text}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the text begins so."""
        return text.lstrip().startswith(self.text), f"it begins with {text.lstrip()[:40]!r}"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the beginning."""
        plan.written(self, self.text)
        for name in ("quoted", "title"):
            if plan.owner(name) is not None:
                raise plan.contradiction(self, name)
        return plan.settled(self, "begin", self.text)


@frozen
class EndsWith(Form):
    """The last characters of the text."""

    text: str = field()

    def __attrs_post_init__(self) -> None:
        some_text(self.text, "EndsWith")

    def describe(self) -> str:
        """Return the form in words."""
        return (
            f"End with exactly these words: {self.text}"
            if any(map(str.isalnum, self.text))
            else f"End with {self.text}"
        )

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the text ends so."""
        return text.rstrip().endswith(self.text), f"it ends with {text.rstrip()[-40:]!r}"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the end."""
        if plan.postscript and self.text in plan.script.ends:
            raise NotSteerableError("the postscript would have to end with it.")
        for name in ("quoted", "postscript"):
            if plan.owner(name) is not None:
                raise plan.contradiction(self, name)
        plan.written(self, self.text)
        if self.text in plan.script.ends:
            if plan.end and not plan.end.endswith(self.text):
                raise plan.contradiction(self, "end")
            return plan.settled(self, "last_mark", self.text)
        if plan.last_mark and not self.text.endswith(plan.last_mark):
            raise plan.contradiction(self, "last_mark")
        return plan.settled(self, "end", self.text)


@frozen
class Contains(Form):
    """A word or phrase that occurs, whatever its case.

    Args:
        text: The word or phrase.
        at_least: How often at least.
        at_most: How often at most, as a whole word; None for no bound.
    """

    text: str = field()
    at_least: int = 1
    at_most: int | None = None

    def __attrs_post_init__(self) -> None:
        some_text(self.text, "Contains")
        whole_number(self.at_least, "at_least", 1)
        if self.at_most is not None and whole_number(self.at_most, "at_most", 1) < self.at_least:
            raise UsageError("At most is less than at least.", hint="Swap the bounds.")

    def describe(self) -> str:
        """Return the form in words."""
        if self.at_most is None:
            return (
                f"Mention {self.text!r}."
                if self.at_least == 1
                else f"Use {self.text!r} at least {self.at_least} times."
            )
        if self.at_most == self.at_least:
            return f"Use {self.text!r} exactly {self.at_least} time{'s' * (self.at_least > 1)}."
        return f"Use {self.text!r} between {self.at_least} and {self.at_most} times."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether it occurs so often."""
        if self.at_most is None:
            number = text.casefold().count(self.text.casefold())
        else:
            number = len(re.findall(rf"(?<!\w){re.escape(self.text)}(?!\w)", text, re.IGNORECASE))
        return number >= self.at_least and (
            self.at_most is None or number <= self.at_most
        ), f"{self.text!r} occurs {number} times"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Make it occur, and nowhere else if there is a bound."""
        if self.at_least > _MOST:
            raise NotSteerableError(f"a plan makes a word occur {_MOST} times at most.")
        plan.written(self, plan.cased(self.text))
        wanted = (*plan.wanted, *[Wanted("text", self.text)] * self.at_least)
        script = (
            joined((plan.script, *scripts_in(self.text))) if any(map(script_of, self.text)) else plan.script
        )
        longest = max([plan.longest_word, *map(len, re.findall(r"\w+", self.text))])
        edited = plan.edited(self, f"wanted {self.text}", wanted=wanted, longest_word=longest)
        if script != plan.script:
            edited = edited.edited(self, script=script)
        if self.at_most is None:
            return edited
        if not self.text.isalpha():
            raise NotSteerableError("only a single word can be kept from occurring more often.")
        others = [text for name, text in plan.given if name != f"wanted {self.text}"]
        if any(re.search(rf"(?<!\w){re.escape(self.text)}(?!\w)", text, re.IGNORECASE) for text in others):
            raise NotSteerableError("it occurs in another text that is asked for.")
        return edited.edited(self, limited=(*edited.limited, self.text.lower()))


@frozen
class Avoids(Form):
    """Words and phrases that do not occur, whatever their case."""

    words: tuple[str, ...] = field(converter=as_texts)

    def __attrs_post_init__(self) -> None:
        if not self.words:
            raise UsageError(
                "Avoids takes one word or more.", hint='Write it as Avoids(["first", "second"]).'
            )
        for word in self.words:
            some_text(word, "Avoids")

    def describe(self) -> str:
        """Return the form in words."""
        return f"Do not use: {', '.join(self.words)}."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether none of them occurs as a whole word."""
        found = [
            word for word in self.words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
        ]
        return (
            not found,
            f"it contains {', '.join(map(repr, found))}" if found else "it contains none of them",
        )

    def edit(self, plan: TextPlan) -> TextPlan:
        """Leave the words out; of a phrase, its longest word."""
        if not plan.script.spaced:
            raise NotSteerableError(f"{plan.script.name} does not divide words.")
        parts = [max(re.findall(r"\w+", word) or [""], key=len) for word in self.words]
        if not all(part.isalpha() for part in parts):
            raise NotSteerableError("only words of letters can be left out.")
        names = [f"avoided {part.casefold()}" for part in parts]
        edited = plan.edited(self, *names, avoided=(*plan.avoided, *(part.lower() for part in parts)))
        return edited.consistent(self)


@frozen
class AvoidsCharacters(Form):
    """Letters and marks that do not occur, whatever their case."""

    characters: str = field()

    def __attrs_post_init__(self) -> None:
        if not self.characters or any(map(str.isspace, self.characters)):
            raise UsageError(
                "AvoidsCharacters takes letters and marks.", hint='Write it as AvoidsCharacters(",;").'
            )

    def describe(self) -> str:
        """Return the form in words."""
        names = {
            ",": "commas",
            "!": "exclamation marks",
            "?": "question marks",
            "-": "hyphens",
            "'": "apostrophes",
        }
        return f"Do not use {' or '.join(names.get(each, repr(each)) for each in self.characters)}."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether none of them occurs."""
        found = sorted(set(self.characters.casefold()) & set(text.casefold()))
        return not found, f"it contains {' '.join(found)}" if found else "it contains none of them"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Leave the characters out."""
        return plan.edited(self, absent=plan.absent + self.characters).consistent(self)


@frozen
class Case(Form):
    """The case of all letters: ``lower``, ``upper`` or ``title`` (each word begins with a capital)."""

    kind: LetterCase = field()

    def __attrs_post_init__(self) -> None:
        if self.kind not in {"lower", "upper", "title"}:
            raise UsageError(f"There is no case {self.kind!r}.", hint="Choose lower, upper or title.")

    def describe(self) -> str:
        """Return the form in words."""
        what = {
            "lower": "Use small letters only",
            "upper": "Use capital letters only",
            "title": "Begin every word with a capital",
        }
        return f"{what[self.kind]}."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether all letters have the case."""
        tests: dict[str, Callable[[str], bool]] = {
            "lower": str.islower,
            "upper": str.isupper,
            "title": lambda text: text.lower() != text.upper() and cased(text, "title") == text,
        }
        return tests[self.kind](text), f"it is {'' if tests[self.kind](text) else 'not '}in {self.kind} case"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the case."""
        if plan.script.upper is None:
            raise NotSteerableError(f"{plan.script.name} has no case.")
        return plan.settled(self, "case", self.kind).consistent(self)


@frozen
class Numbers(Form):
    """Numbers in figures: at least so many, or none.

    Args:
        at_least: How many; 0 for none at all.
    """

    at_least: int = 0

    def __attrs_post_init__(self) -> None:
        whole_number(self.at_least, "at_least")

    def describe(self) -> str:
        """Return the form in words."""
        if not self.at_least:
            return "Do not use figures."
        return f"Use at least {self.at_least} number{'s' * (self.at_least > 1)} in figures."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether there are so many."""
        number = len(re.findall(r"\d+", text))
        return (
            number >= self.at_least if self.at_least else number == 0,
            f"it has {number} numbers in figures",
        )

    def edit(self, plan: TextPlan) -> TextPlan:
        """Make numbers occur, or keep them out."""
        if self.at_least > _MOST:
            raise NotSteerableError(f"a plan makes {_MOST} numbers occur at most.")
        if plan.items is not None and plan.items.numbered and not self.at_least:
            raise plan.contradiction(self, "items")
        if plan.owner("digits") is not None and plan.digits != bool(self.at_least):
            raise plan.contradiction(self, "digits")
        edited = plan.edited(
            self, digits=bool(self.at_least), wanted=(*plan.wanted, *[Wanted("number")] * self.at_least)
        )
        return edited.consistent(self)


@frozen
class InScript(Form):
    """The script of all letters, by its English name."""

    name: str = field()

    def __attrs_post_init__(self) -> None:
        if self.name not in SCRIPTS:
            raise UsageError(
                f"There is no script {self.name!r} here.", hint=f"Choose among {', '.join(SCRIPTS)}."
            )

    def describe(self) -> str:
        """Return the form in words."""
        return f"Write in {self.name} letters only."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether all letters are of it, and there is one."""
        letters = [each for each in text if each.isalpha()]
        others = sorted({each for each in letters if each not in SCRIPTS[self.name]})
        return (
            bool(letters) and not others,
            f"it has letters of another script: {' '.join(others[:5])}"
            if others
            else "it has no other letters",
        )

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the letters."""
        if plan.owner("in script") and plan.script != SCRIPTS[self.name]:
            raise plan.contradiction(self, "in script")
        return plan.edited(self, "in script", script=SCRIPTS[self.name]).consistent(self)
