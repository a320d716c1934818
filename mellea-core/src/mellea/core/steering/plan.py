"""The plan of a text: what it is made of, as far as requirements and habits settle it.

Each form edits the plan, or says why it cannot. ``planning`` does that for all forms of a call; ``layout``
turns a plan into a pattern.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

from attrs import evolve, field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.alphabet import SCRIPTS, Script
from mellea.core.steering.casing import LetterCase, cased
from mellea.core.steering.pattern import Node

__all__ = [
    "Bounds",
    "ContradictionError",
    "Insert",
    "Items",
    "NotSteerableError",
    "Settling",
    "TextPlan",
    "Wanted",
]


class Settling(Protocol):
    """What settles a part of a plan: a form."""

    def describe(self) -> str:
        """Return it in words, as an instruction."""
        ...


class ContradictionError(UsageError):
    """Two forms that no text can meet together; nothing was sent.

    Args:
        first: One of the two.
        second: The other.
    """

    def __init__(self, message: str, *, first: Settling, second: Settling, **fields: object) -> None:
        super().__init__(message, **fields)  # type: ignore[arg-type]
        self.first = first
        self.second = second


class NotSteerableError(UsageError):
    """A form that a plan cannot take; the message says why, and the form is left to checking."""


@frozen
class Bounds:
    """A least and a most number, each of which may be open."""

    least: int = 0
    most: int | None = None

    def __and__(self, other: Bounds) -> Bounds:
        tops = [top for top in (self.most, other.most) if top is not None]
        return Bounds(max(self.least, other.least), min(tops) if tops else None)

    def __contains__(self, number: int) -> bool:
        return self.least <= number and (self.most is None or number <= self.most)

    @property
    def top(self) -> int:
        """The most, where the bounds are known not to be open."""
        return self.least if self.most is None else self.most

    @property
    def empty(self) -> bool:
        """Whether no number fits."""
        return self.most is not None and self.most < self.least

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        if self.least == self.most:
            return f"exactly {self.least}"
        return f"between {self.least} and {self.most}" if self.least else f"at most {self.most}"


@frozen
class Wanted:
    """What must occur somewhere in the text.

    Args:
        kind: A given text, or a mark-up around words of the model's choice.
        text: The given text.
    """

    kind: Literal["text", "placeholder", "highlight", "number"]
    text: str = ""


@frozen
class Insert:
    """What must occur, as it is written.

    Args:
        node: What is written.
        opening: What is written where it begins a sentence.
        least: How many words that is at least.
        most: How many words that is at most.
        article: How many more the opening has at most.
    """

    node: Node
    opening: Node
    least: int = 1
    most: int = 1
    article: int = 1


@frozen
class Items:
    """A list as the body of the text."""

    numbered: bool
    count: int


@frozen
class TextPlan:
    """What a text is made of. Every field has a value that asks for nothing in particular.

    Args:
        script: Letters and marks.
        case: The case in which the text is put as it is read; None for the one that the model writes.
        words: Bounds on the words of the whole text.
        sentences: Bounds on its sentences.
        paragraphs: Bounds on its paragraphs.
        digits: Whether there may be numbers.
        absent: Letters that must not occur.
        avoided: Words that must not occur.
        limited: Words that must occur where they are wanted only.
        wanted: What must occur.
        begin: Its first characters.
        end: Its last characters.
        quoted: Whether quotation marks stand around all.
        title: Whether it begins with a title in double angular brackets.
        postscript: The mark of a postscript; empty for none.
        items: The list that is its body; None for prose.
        headings: Headings of its sections.
        last_mark: The mark at the very end; empty for any.
        longest_word: Most letters of a word.
        english: Whether English words may help to write it.
        lines: Whether a line may end where no form is about lines.
        whole: The pattern of the whole text, where a form gives it.
        about: Words one of which should occur where that asks little: what the task is about.
        owners: The form that settled a field, by the field's name.
    """

    script: Script = SCRIPTS["Latin"]
    case: LetterCase | None = None
    words: Bounds = Bounds()
    sentences: Bounds = Bounds()
    paragraphs: Bounds = Bounds()
    digits: bool = False
    absent: str = ""
    avoided: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    begin: str = ""
    end: str = ""
    quoted: bool = False
    title: bool = False
    postscript: str = ""
    items: Items | None = None
    headings: tuple[str, ...] = ()
    last_mark: str = ""
    longest_word: int = 15
    english: bool = True
    lines: bool = True
    whole: Node | None = None
    about: tuple[str, ...] = ()
    owners: tuple[tuple[str, Settling], ...] = field(default=(), repr=False)

    def owner(self, *names: str) -> Settling | None:
        """Return the form that settled one of some fields last."""
        return next((form for name, form in reversed(self.owners) if name in names), None)

    def edited(self, form: Settling, *also: str, **changes: object) -> TextPlan:
        """Return the plan with fields that a form settles.

        Args:
            form: The form.
            also: What else it settles, as ``contradiction`` may be asked for it.
            changes: The fields.
        """
        owners = (*self.owners, *((name, form) for name in (*also, *changes)))
        return evolve(self, **changes, owners=owners)  # type: ignore[arg-type]

    def settled(self, form: Settling, name: str, value: object) -> TextPlan:
        """Return the plan with a field that only one form may settle.

        Raises:
            ContradictionError: Another one has settled it in another way.
        """
        before = getattr(self, name)
        if self.owner(name) is not None and before != value:
            raise self.contradiction(form, name)
        return self.edited(form, **{name: value})

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """The texts that the plan writes to the letter, each with the name of what settled it."""
        texts = [
            ("begin", self.begin),
            ("end", self.end),
            ("last_mark", self.last_mark),
            ("postscript", self.postscript),
        ]
        texts += [(f"wanted {each.text}", each.text) for each in self.wanted if each.text]
        return tuple(
            (name, text) for name, text in (*texts, *(("headings", each) for each in self.headings)) if text
        )

    def obstacle(self, text: str) -> str | None:
        """Return the name of what forbids to write a text to the letter, or None."""
        lowered = text.casefold()
        words = set(re.findall(r"\w+", lowered))
        if words & {word.casefold() for word in self.avoided}:
            return f"avoided {min(words & {word.casefold() for word in self.avoided})}"
        if any(each in lowered for each in self.absent.casefold()):
            return "absent"
        if self.owner("in script") and any(each.isalpha() and each not in self.script for each in text):
            return "in script"
        if self.owner("digits") is not None and not self.digits and any(each.isdigit() for each in text):
            return "digits"
        return "case" if self.cased(text) != text else None

    @property
    def left_out(self) -> tuple[str, ...]:
        """The words that the model may not write by itself."""
        return (*self.avoided, *self.limited)

    def written(self, form: Settling, text: str) -> None:
        """Make sure that a text may be written to the letter.

        Raises:
            ContradictionError: Another form forbids it.
        """
        name = self.obstacle(text)
        if name is not None:
            raise self.contradiction(form, name)

    def consistent(self, form: Settling) -> TextPlan:
        """Return the plan if no text given before is forbidden by it now.

        Raises:
            ContradictionError: One is.
        """
        for name, text in self.given:
            wanted = name.startswith("wanted ")
            if (obstacle := self.obstacle(self.cased(text) if wanted else text)) is not None and self.owner(
                obstacle
            ) is form:
                raise self.contradiction(form, name)
        return self

    def cased(self, text: str) -> str:
        """Return a text in the case of the plan, as a reader gets what a model has written."""
        return cased(text, self.case)

    @property
    def draft(self) -> TextPlan:
        """The plan of what the model writes."""
        if self.case is None:
            return self
        # a checker may see a word of its own behind a curved apostrophe
        absent = self.absent + "\u2019" if self.case == "title" else self.absent
        return evolve(self, case=None, absent=absent)

    def bounded(
        self, form: Settling, name: Literal["words", "sentences", "paragraphs"], bounds: Bounds
    ) -> TextPlan:
        """Return the plan with further bounds on a count.

        Raises:
            ContradictionError: No number is within these and the bounds before.
        """
        both = getattr(self, name) & bounds
        if both.empty:
            raise self.contradiction(form, name)
        return self.edited(form, **{name: both})

    def contradiction(self, form: Settling, *names: str) -> ContradictionError:
        """Return the error for a form and the one that settled a field before."""
        first = self.owner(*names) or form
        return ContradictionError(
            f"No text can meet both {first.describe()!r} and {form.describe()!r}.",
            hint="Change one of the two, or leave one out.",
            first=first,
            second=form,
        )
