"""What comes of a row, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import field, frozen

from mellea.core.billing import Spent
from mellea.evaluation.outcomes import Verdict

__all__ = ["MappedRow", "RowTask"]


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
        spent: What its answers took, those from the journal included, and how long the program ran.
        paid: What was paid for it in this run.
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
            from_journal=True,
            passes=kept["passes"],
        )
