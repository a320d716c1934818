"""What came of one task, and of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from mellea.core.billing import Spent
from mellea.core.redaction import redacted
from mellea.evaluation.intervals import wilson_interval

__all__ = ["SIDES", "Outcome", "Pair", "Rate", "Scoring", "Side", "Summary", "Verdict", "summarised"]

Side: TypeAlias = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")
Scoring: TypeAlias = Literal["success", "share"]
"""What counts of an outcome: whether every requirement is met, or the share of them that are."""


@frozen
class Verdict:
    """What became of one requirement.

    Args:
        requirement: Its name.
        met: Whether it is met.
        reason: Why, or why not.
        score: How well, where the check says.
    """

    requirement: str
    met: bool
    reason: str | None = None
    score: float | None = None


@frozen
class Outcome:
    """What came of one task with one candidate.

    Args:
        task: The id of the task.
        candidate: The name of the candidate.
        text: The answer.
        verdicts: What became of each requirement.
        error: Why there is no answer or no verdict.
        spent: What the answer took.
        judged: What the judges took.
        question: What was asked.
    """

    task: str
    candidate: str
    text: str = ""
    verdicts: tuple[Verdict, ...] = ()
    error: str | None = None
    spent: Spent = field(factory=Spent)
    judged: Spent = field(factory=Spent)
    question: str = ""

    @property
    def success(self) -> bool:
        """Whether there is an answer, and it meets every requirement."""
        return self.error is None and all(verdict.met for verdict in self.verdicts)

    @property
    def share(self) -> float:
        """The share of the requirements that are met, from 0 to 1; of none, 1 where there is an answer."""
        if self.error is not None:
            return 0.0
        return sum(verdict.met for verdict in self.verdicts) / len(self.verdicts) if self.verdicts else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, without the secrets in them."""
        return redacted(
            {
                "task": self.task,
                "candidate": self.candidate,
                "success": self.success,
                "question": self.question,
                "text": self.text,
                "error": self.error,
                "requirements": [
                    {"requirement": one.requirement, "met": one.met, "reason": one.reason, "score": one.score}
                    for one in self.verdicts
                ],
                "spent": self.spent.to_dict(),
                "judged": self.judged.to_dict(),
            }
        )


@frozen
class Pair:
    """What came of one task with both sides.

    Args:
        a: The outcome of the first side.
        b: The outcome of the second side.
    """

    a: Outcome
    b: Outcome

    def of(self, side: Side) -> Outcome:
        """Return the outcome of a side."""
        return self.a if side == "a" else self.b

    def score(self, side: Side, by: Scoring) -> float:
        """Return what counts of a side, from 0 to 1."""
        outcome = self.of(side)
        return outcome.share if by == "share" else float(outcome.success)


@frozen
class Rate:
    """How many of some trials succeeded.

    Args:
        name: What of.
        passed: How many did.
        total: How many there were.
    """

    name: str
    passed: int
    total: int

    @property
    def rate(self) -> float:
        """The share that succeeded; 0 of none."""
        return self.passed / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the rate lies, right 95 times in 100 (Wilson 1927)."""
        return wilson_interval(self.passed, self.total)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        low, high = self.interval
        return {
            "name": self.name,
            "passed": self.passed,
            "total": self.total,
            "rate": round(self.rate, 6),
            "interval": [round(low, 6), round(high, 6)],
        }


@frozen
class Summary:
    """What came of all tasks with one candidate.

    Args:
        success: How many tasks succeeded.
        requirements: How often each requirement is met, of the tasks whose answers were checked for it.
        errors: How many tasks ended with an error.
        spent: What the answers took.
        judged: What the judges took.
    """

    success: Rate
    requirements: tuple[Rate, ...]
    errors: int
    spent: Spent
    judged: Spent

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.success.name

    @property
    def seconds_each(self) -> float:
        """Mean time of an answer."""
        return self.spent.seconds / self.success.total if self.success.total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "candidate": self.name,
            **{key: value for key, value in self.success.to_dict().items() if key != "name"},
            "errors": self.errors,
            "requirements": [rate.to_dict() for rate in self.requirements],
            "spent": self.spent.to_dict(),
            "judged": self.judged.to_dict(),
        }


def summarised(name: str, outcomes: Iterable[Outcome]) -> Summary:
    """Return what came of a candidate's tasks.

    Args:
        name: The candidate's name.
        outcomes: What came of each task; those of other candidates do not count.
    """
    own = [outcome for outcome in outcomes if outcome.candidate == name]
    return Summary(
        Rate(name, sum(outcome.success for outcome in own), len(own)),
        tuple(_rates(own)),
        sum(outcome.error is not None for outcome in own),
        sum((outcome.spent for outcome in own), Spent()),
        sum((outcome.judged for outcome in own), Spent()),
    )


def _rates(outcomes: Sequence[Outcome]) -> Iterable[Rate]:
    counts: dict[str, list[bool]] = {}
    for outcome in outcomes:
        for verdict in outcome.verdicts:
            counts.setdefault(verdict.requirement, []).append(verdict.met)
    return (Rate(name, sum(met), len(met)) for name, met in counts.items())
