"""What comes of a row, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import field, frozen

from mellea.core.response import Usage, total_usage
from mellea.evaluation.outcomes import Verdict

__all__ = ["MappedRow", "RowTask", "Spent"]

_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


@frozen
class Spent:
    """What requests took.

    Args:
        requests: How many were answered.
        usage: Their tokens.
        cost: US dollars, of those whose price is known; None if that is none of them.
        unpriced: How many there were whose price nobody knows, which are not in ``cost``.
    """

    requests: int = 0
    usage: Usage = field(factory=Usage)
    cost: float | None = None
    unpriced: int = 0

    def plus(self, usage: Usage, cost: float | None) -> Self:
        """Return it with one more request."""
        return self + type(self)(1, usage, cost, int(cost is None))

    def __add__(self, other: Spent) -> Self:
        costs = [each.cost for each in (self, other) if each.cost is not None]
        return type(self)(
            self.requests + other.requests,
            total_usage([self.usage, other.usage]),
            sum(costs) if costs else None,
            self.unpriced + other.unpriced,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        counts = {name: getattr(self.usage, name) for name in _COUNTS}
        return {"requests": self.requests, **counts, "cost": self.cost, "unpriced": self.unpriced}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Return what ``to_dict`` tells of."""
        usage = Usage(**{name: told[name] for name in _COUNTS})
        return cls(told["requests"], usage, told["cost"], told["unpriced"])

    def __str__(self) -> str:
        tokens = f"{self.usage.total_tokens:,} tokens"
        if self.cost is None:
            return f"{self.requests:,} requests, {tokens}"
        more = f" and {self.unpriced:,} requests at an unknown price" if self.unpriced else ""
        return f"{self.requests:,} requests, {tokens}, ${self.cost:,.4f}{more}"


@frozen
class RowTask:
    """A row that is to go through a program.

    Args:
        place: Which row it is, from 0.
        row: The row, as JSON values.
        name: What names it.
        trial: Which trial it is, from 0.
        seed: The seed of its draws; None for none.
    """

    place: int
    row: Any
    name: bytes
    trial: int = 0
    seed: int | None = None


@frozen
class MappedRow:
    """What came of a row.

    Args:
        place: Which row it is, from 0.
        row: The row, as JSON values.
        value: What the program returned for it, as JSON values.
        error: Why it returned nothing: the class and the words of the error.
        verdicts: What became of each requirement, of the attempts that were chosen.
        attempts: How many attempts were made.
        spent: What its answers took, those from the journal included.
        paid: What was paid for it in this run.
        seconds: How long the program took for it.
        from_journal: Whether the journal had the result, and the program did not run.
        passes: Whether the error may pass by itself, as one of a provider may.
    """

    place: int
    row: Any
    value: Any = None
    error: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    attempts: int = 0
    spent: Spent = field(factory=Spent)
    paid: Spent = field(factory=Spent)
    seconds: float = 0.0
    from_journal: bool = False
    passes: bool = False

    @property
    def success(self) -> bool:
        """Whether there is a value, and it meets every requirement."""
        return self.error is None and all(verdict.met for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "place": self.place,
            "row": self.row,
            "success": self.success,
            **({"value": self.value} if self.error is None else {"error": self.error}),
            **self.told(),
        }

    def told(self) -> dict[str, Any]:
        """Return what is known of it beside the row and the value, as JSON values."""
        return {
            "verdicts": [
                {"requirement": one.requirement, "met": one.met, "reason": one.reason, "score": one.score}
                for one in self.verdicts
            ],
            "attempts": self.attempts,
            "spent": self.spent.to_dict(),
            "seconds": round(self.seconds, 6),
        }

    def kept(self) -> dict[str, Any]:
        """Return what a journal keeps of it."""
        return {"value": self.value, "error": self.error, "passes": self.passes, **self.told()}

    @classmethod
    def of_kept(cls, task: RowTask, kept: Mapping[str, Any]) -> Self:
        """Return what a journal has kept."""
        return cls(
            task.place,
            task.row,
            kept["value"],
            kept["error"],
            tuple(Verdict(**one) for one in kept["verdicts"]),
            kept["attempts"],
            Spent.of(kept["spent"]),
            seconds=kept["seconds"],
            from_journal=True,
            passes=kept["passes"],
        )
