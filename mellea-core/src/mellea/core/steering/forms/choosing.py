"""Forms that give the whole text: one of several, or a regular expression."""

from __future__ import annotations

import re

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.expressions import node_of
from mellea.core.steering.forms.base import Form, as_texts, some_text
from mellea.core.steering.pattern import choice
from mellea.core.steering.plan import TextPlan

__all__ = ["Matches", "OneOf"]


@frozen
class OneOf(Form):
    """One of several texts, whatever its case."""

    choices: tuple[str, ...] = field(converter=as_texts)

    beside = frozenset()

    def __attrs_post_init__(self) -> None:
        if not self.choices:
            raise UsageError("OneOf takes one text or more.", hint='Write it as OneOf(["yes", "no"]).')
        for each in self.choices:
            some_text(each, "OneOf")

    @property
    def only_texts(self) -> tuple[str, ...]:
        """The texts it is one of."""
        return self.choices

    def describe(self) -> str:
        """Return the form in words."""
        return f"Answer with one of these and nothing else: {', '.join(self.choices)}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether it is one of them."""
        is_one = text.strip().casefold() in {each.casefold() for each in self.choices}
        return (
            is_one,
            "it is one of them" if is_one else f"{text.strip()[:60]!r} is none of {', '.join(self.choices)}",
        )

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the whole text."""
        return plan.edited(self, whole=choice(*self.choices))


@frozen
class Matches(Form):
    """A regular expression that the whole text, apart from space around it, matches."""

    expression: str = field()
    description: str = ""

    beside = frozenset()

    def __attrs_post_init__(self) -> None:
        try:
            re.compile(self.expression)
        except re.error as error:
            raise UsageError(
                f"{self.expression!r} is no regular expression: {error}.", hint="Correct the pattern."
            ) from error

    def describe(self) -> str:
        """Return the form in words."""
        return self.description or f"The answer matches the regular expression {self.expression}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the text matches."""
        matched = re.fullmatch(self.expression, text.strip(), re.DOTALL) is not None
        return (
            matched,
            "it matches" if matched else f"the text {text.strip()[:60]!r} does not match {self.expression!r}",
        )

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the whole text."""
        return plan.edited(self, whole=node_of(self.expression))
