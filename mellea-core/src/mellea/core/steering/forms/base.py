"""What a form is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.steering.plan import NotSteerableError, TextPlan

__all__ = ["Form", "as_texts", "some_text", "whole_number"]


class Form:
    """What language of texts a requirement admits.

    A form of your own overrides ``describe`` and ``check``, ``edit`` if a plan can take it, and
    ``automaton`` if one can read it.
    """

    guides: str = ""
    """Why the plan only leads towards the form, so that it must be checked all the same.

    Empty where the plan keeps it.
    """
    gives_whole: bool = False
    """Whether an engine that holds a text to the form holds it to no other beside it."""
    fills_plan: bool = False
    """Whether a plan that takes the form takes no other beside it."""

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that have the form, in some case or other, where they are few; else nothing."""
        return ()

    def describe(self) -> str:
        """Return the form in words, as an instruction; a form of your own overrides it."""
        raise UsageError(
            f"{type(self).__name__} does not say itself in words.", hint="Give it a describe method."
        )

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a text has the form, and what was seen; a form of your own overrides it."""
        raise UsageError(f"{type(self).__name__} has no check.", hint="Give it a check method.")

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Let pydantic check a field that is annotated with the form."""
        from pydantic_core import core_schema  # noqa: PLC0415  only annotated fields need it

        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, text: str) -> str:
        met, seen = self.check(text)
        if not met:
            raise ValueError(f"{self.describe().rstrip('.')}: {seen}")
        return text

    def edit(self, plan: TextPlan) -> TextPlan:
        """Return the plan with what the form settles.

        Raises:
            NotSteerableError: A plan cannot say this.
            ContradictionError: A form before says the opposite.
        """
        raise NotSteerableError("no plan can say it.")

    def automaton(self) -> Any:
        """Return a ``TextAutomaton`` of a form of your own, to which an engine of ours holds a text.

        Raises:
            NotSteerableError: It has none.
        """
        raise NotSteerableError("it has no automaton.")


def some_text(text: object, name: str) -> str:
    """Return a text that is one and not blank.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        raise UsageError(
            f"{name} takes a text without space around it, not {text!r}.", hint="Pass the words themselves."
        )
    return text


def whole_number(number: object, name: str, least: int = 0) -> int:
    """Return a number that is whole and not too small.

    Raises:
        UsageError: It is none.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise UsageError(
            f"{name} is {number!r}, which is no count.", hint=f"Pass a whole number, {least} or more."
        )
    return number


def as_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts as a tuple."""
    return tuple(texts)
