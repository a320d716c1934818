"""What takes the place of a program's own words: the prompts that are in force where a call is made."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol, TypeAlias

from attrs import frozen

from mellea.core.requirement import Requirement

__all__ = [
    "Example",
    "TextKind",
    "Wording",
    "reworded",
    "reworded_requirement",
    "shown_examples",
    "wording",
    "words_in_force",
]

TextKind: TypeAlias = Literal["docstring", "task", "prefix", "requirement"]
"""What a text is in its program."""


@frozen
class Example:
    """A call of a typed function that went well.

    Args:
        of: The head of the function.
        arguments: The arguments as its prompt shows them.
        result: What it returned, as JSON values.
    """

    of: str
    arguments: str
    result: Any


class Wording(Protocol):
    """What may give other words than the program's own."""

    def reword(self, kind: TextKind, of: str, original: str, text: str) -> str:
        """Return the words in place of a text.

        Args:
            kind: What the text is.
            of: The typed function that it belongs to; empty where it is one of an instruction.
            original: The text as the program has it.
            text: The same in the words of those asked before.
        """

    def examples_of(self, head: str) -> tuple[Example, ...] | None:
        """Return the examples that a typed function shows; None where it has nothing to say of them."""


_in_force: ContextVar[tuple[tuple[Wording, ...], tuple[Wording, ...]]] = ContextVar(
    "mellea_wording", default=((), ())
)
"""Whose words count, the later over the earlier: those of the program, and those that are tried on it."""


@contextmanager
def wording(given: Wording, *, over_all: bool = False) -> Iterator[None]:
    """Put words into force for the calls of a block.

    Args:
        given: The words.
        over_all: Whether they count over those that the program itself puts into force further in.
    """
    own, tried = before = _in_force.get()
    _in_force.set((own, (*tried, given)) if over_all else ((*own, given), tried))
    try:
        yield
    finally:
        _in_force.set(before)


def words_in_force(*more: Wording) -> tuple[Wording, ...]:
    """Return whose words count, the later over the earlier.

    Args:
        more: What else the program says, for one call.
    """
    own, tried = _in_force.get()
    return (*own, *more, *tried)


def reworded(kind: TextKind, original: str, of: str = "", words: tuple[Wording, ...] | None = None) -> str:
    """Return a text of the program in the words that are in force.

    Args:
        kind: What the text is.
        original: The text.
        of: The typed function that it belongs to.
        words: What is in force, where that is known.
    """
    text = original
    for each in words_in_force() if words is None else words:
        text = each.reword(kind, of, original, text)
    return text


def reworded_requirement(requirement: Requirement, words: tuple[Wording, ...], of: str = "") -> Requirement:
    """Return a requirement that shows the words that are in force, and checks what it checked.

    Of one that a model judges by its words these stay, as they are what is checked.
    """
    shown = requirement.description
    if not shown or requirement.check_only or not requirement.is_free:
        return requirement
    if (text := reworded("requirement", shown, of, words)) == shown:
        return requirement
    twin = copy.copy(requirement)
    twin.description = text
    return twin


def shown_examples(head: str, words: tuple[Wording, ...]) -> tuple[Example, ...]:
    """Return the examples that a typed function shows.

    Args:
        head: The head of the function.
        words: What is in force.
    """
    return next((shown for each in reversed(words) if (shown := each.examples_of(head)) is not None), ())
