"""What a model takes for its tokens."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.response import Usage

__all__ = ["FREE", "Price"]

_MILLION = 1_000_000


def _amount(_: object, attribute: Any, value: Any) -> None:
    if value is None and attribute.name == "cached":
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise UsageError(
            f"A price's {attribute.name} is {value!r}.",
            hint="Pass US dollars for a million tokens, from 0 on.",
        )


@frozen
class Price:
    """What a model takes for its tokens, in US dollars for a million of them.

    Args:
        input: For tokens that it reads.
        output: For tokens that it writes.
        cached: For tokens of a prompt that it need not compute again; by default as for the others.

    Raises:
        UsageError: One of them is no number from 0 on.
    """

    input: float = field(validator=_amount)
    output: float = field(validator=_amount)
    cached: float | None = field(default=None, validator=_amount)

    def cost(self, usage: Usage) -> float:
        """Return what tokens cost, in US dollars."""
        kept = min(usage.cached_tokens, usage.prompt_tokens)
        cached = self.input if self.cached is None else self.cached
        read = (usage.prompt_tokens - kept) * self.input + kept * cached
        return (read + usage.completion_tokens * self.output) / _MILLION


FREE = Price(0.0, 0.0)
"""The price of a model that costs nothing, as one on this machine."""
