"""Forms that count: words, sentences, paragraphs, characters."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.forms.base import AnyOf, Form, Not, whole_number
from mellea.core.steering.plan import Bounds, ContradictionError, NotSteerableError, TextPlan

__all__ = ["Characters", "Paragraphs", "Sentences", "Words"]

_SENTENCE_END = re.compile(r"[.!?…]+[\"'\u201d\u2019)\]]*(?=\s|$)|[。\uff01\uff1f।؟]+")
_BLANK = re.compile(r"\n[ \t]*\n")


@frozen
class _Counted(Form, ABC):
    """So many of something.

    Args:
        at_least: The least number.
        at_most: The most; None for no bound.
    """

    noun: ClassVar[str]

    at_least: int = field(default=0)
    at_most: int | None = field(default=None)

    def __attrs_post_init__(self) -> None:
        whole_number(self.at_least, "at_least")
        if self.at_most is not None:
            whole_number(self.at_most, "at_most", 1)
        if self.bounds.empty:
            raise UsageError(
                f"At least {self.at_least} and at most {self.at_most} cannot both hold.",
                hint="Swap the bounds.",
            )
        if self.bounds == Bounds():
            raise UsageError(
                f"No bound on the {self.noun}s is given.", hint="Pass at_least=..., at_most=... or both."
            )

    @property
    def bounds(self) -> Bounds:
        """Both bounds."""
        return Bounds(self.at_least, self.at_most)

    @classmethod
    def exactly(cls, number: int) -> _Counted:
        """Return the form for one number."""
        return cls(number, number)

    def opposite(self) -> Form:
        """Return that there are fewer, or more."""
        others = [type(self)(at_most=self.at_least - 1)] if self.at_least > 1 else []
        others += [type(self)(at_least=self.at_most + 1)] if self.at_most is not None else []
        return (
            Not(self) if not others or self.at_least == 1 else others[0] if not others[1:] else AnyOf(others)
        )

    def describe(self) -> str:
        """Return the form in words."""
        number = self.at_most if self.at_most is not None else self.at_least
        return f"Write {self.bounds} {self.noun}{'' if number == 1 else 's'}."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the number is within the bounds."""
        number = self.count(text)
        return number in self.bounds, f"it has {number} {self.noun}{'' if number == 1 else 's'}"

    @abstractmethod
    def count(self, text: str) -> int:
        """Return the number in a text."""


@frozen
class Words(_Counted):
    """So many words, divided by space."""

    noun: ClassVar[str] = "word"

    def count(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def edit(self, plan: TextPlan) -> TextPlan:
        """Bound the words."""
        if not plan.script.spaced:
            raise NotSteerableError(f"{plan.script.name} does not divide words.")
        return plan.bounded(self, "words", self.bounds)


@frozen
class Sentences(_Counted):
    """So many sentences: a mark that ends one, before space or at the end."""

    noun: ClassVar[str] = "sentence"

    def count(self, text: str) -> int:
        """Return the number of sentences, one that breaks off included."""
        stripped = text.strip()
        ends = list(_SENTENCE_END.finditer(stripped))
        return len(ends) + bool(
            stripped and (not ends or any(each.isalnum() for each in stripped[ends[-1].end() :]))
        )

    def edit(self, plan: TextPlan) -> TextPlan:
        """Bound the sentences."""
        return plan.bounded(self, "sentences", self.bounds)


@frozen
class Paragraphs(_Counted):
    """So many paragraphs, divided by blank lines."""

    noun: ClassVar[str] = "paragraph"

    def count(self, text: str) -> int:
        """Return the number of paragraphs."""
        return sum(bool(part.strip()) for part in _BLANK.split(text))

    def edit(self, plan: TextPlan) -> TextPlan:
        """Bound the paragraphs."""
        return plan.bounded(self, "paragraphs", self.bounds)


@frozen
class Characters(_Counted):
    """So many characters."""

    noun: ClassVar[str] = "character"
    guides: str = field(default="words stand in for characters", init=False)

    def count(self, text: str) -> int:
        """Return the number of characters."""
        return len(text)

    def edit(self, plan: TextPlan) -> TextPlan:
        """Bound the words so that the characters are likely to be kept."""
        least = -(-self.at_least // 5)
        most = None if self.at_most is None else self.at_most // 7
        words: Literal["words"] = "words"
        if most is not None and most < max(least, 4):
            raise NotSteerableError("words cannot stand in for so narrow a number of characters.")
        try:
            return plan.bounded(self, words, Bounds(least, most))
        except ContradictionError as error:
            raise NotSteerableError("the number of words leaves no room to lead towards it.") from error
