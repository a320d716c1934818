"""What a comparison found, in words and in numbers."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import field, frozen

from mellea.core.billing import Spent
from mellea.core.terminal import Writable, print_to, visible
from mellea.core.trace import write_text
from mellea.evaluation.findings import Result, counted, failing_sides, in_words
from mellea.evaluation.outcomes import Pair, Scoring, Summary, summarised
from mellea.evaluation.reports import Report, as_percent, price_in_words, table_of
from mellea.evaluation.sequential import PairedTest

__all__ = ["Comparison", "compared"]


@frozen(slots=False)
class Comparison:
    """What a comparison found.

    Args:
        finding: ``a`` or ``b`` if that side is better; ``no difference`` if neither is by as much as was
            worth finding; ``undecided`` if the tasks ran out before; ``failing`` if a side did nothing but
            fail.
        why: The same in words.
        names: What the two sides are called.
        pairs: What came of each task that counted, in their order.
        difference: The mean of the first side less that of the second.
        least: The least difference that was worth finding.
        error: How often a difference may be found where there is none.
        tasks: How many tasks there were.
        spent: What it took in all, judges and tasks that were worked on ahead included.
    """

    finding: Result
    why: str
    names: tuple[str, str]
    pairs: tuple[Pair, ...] = field(repr=False)
    difference: float
    least: float
    error: float
    tasks: int
    spent: Spent

    @property
    def winner(self) -> str | None:
        """The name of the side that is better, if one is."""
        return self.names["ab".index(self.finding)] if self.finding in ("a", "b") else None

    @property
    def is_decided(self) -> bool:
        """Whether one side is better, or neither is."""
        return self.finding in ("a", "b", "no difference")

    @functools.cached_property
    def report(self) -> Report:
        """What came of each task, as ``evaluate`` reports it."""
        outcomes = tuple(outcome for pair in self.pairs for outcome in (pair.a, pair.b))
        return Report(outcomes, len(outcomes), self.spent.seconds)

    @property
    def sides(self) -> tuple[Summary, Summary]:
        """What came of it for each side."""
        a, b = (summarised(name, self.report.outcomes) for name in self.names)
        return a, b

    @property
    def tokens_per_point(self) -> float | None:
        """Tokens that the better side spends more on a task, for each point that it is better by."""
        return self._per_point("tokens")

    @property
    def requests_per_point(self) -> float | None:
        """Requests that the better side makes more for a task, for each point that it is better by."""
        return self._per_point("requests")

    @property
    def cost_per_point(self) -> float | None:
        """US dollars that the better side costs more on a task, for each point that it is better by."""
        return self._per_point("whole_cost")

    def _per_point(self, what: str) -> float | None:
        spent = [getattr(side.spent, what) for side in self.sides]
        if self.finding not in ("a", "b") or not self.difference or None in spent:
            return None
        a, b = (all_of / side.success.total for all_of, side in zip(spent, self.sides, strict=True))
        return float(a - b) / (100 * self.difference)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, without the secrets in it."""
        return {
            "finding": self.finding,
            "winner": self.winner,
            "why": self.why,
            "a": self.names[0],
            "b": self.names[1],
            "difference": round(self.difference, 6),
            "least": self.least,
            "error": self.error,
            "tasks": self.tasks,
            "pairs": len(self.pairs),
            "tokens_per_point": self.tokens_per_point,
            "requests_per_point": self.requests_per_point,
            "cost_per_point": self.cost_per_point,
            "spent": self.spent.to_dict(),
            "sides": [side.to_dict() for side in self.sides],
            "results": [outcome.to_dict() for outcome in self.report.outcomes],
        }

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_html(self) -> str:
        """Return the report as a page, with what was found at its head."""
        return self.report.to_html(self.why)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: as a page if the name ends in ``.html``, else as JSON.

        Raises:
            UsageError: It cannot be written there.
        """
        write_text(path, self.to_html() if str(path).endswith((".html", ".htm")) else self.to_json())

    def table(self) -> str:
        """Return what was found, and what it cost, as text."""
        sides = [side for side in self.sides if side.success.total]
        is_free = not any(price_in_words(side.spent) for side in sides)
        head = ("", "passed", "rate", "requests a task", "tokens a task", "s a task", "$ a task")
        shown = len(head) - is_free
        rows = [_row(side)[:shown] for side in sides]
        return "\n".join([visible(self.why), "", *table_of(head[:shown], rows), *self._notes()])

    def _notes(self) -> Iterator[str]:
        alone = [
            sum(pair.a.success > pair.b.success for pair in self.pairs),
            sum(pair.b.success > pair.a.success for pair in self.pairs),
        ]
        both = sum(pair.a.success and pair.b.success for pair in self.pairs)
        yield (
            f"Of {counted(len(self.pairs), 'task')} both did {both}, {self.names[0]} alone {alone[0]}, "
            f"{self.names[1]} alone {alone[1]}, neither {len(self.pairs) - both - sum(alone)}."
        )
        tokens, requests = self.tokens_per_point, self.requests_per_point
        if tokens is not None and requests is not None:
            cost = f", and ${self.cost_per_point:.6f}" if self.cost_per_point else ""
            yield (
                f"Each point costs {tokens:.1f} tokens and {requests:.3f} requests a task{cost}."
                if tokens > 0 or requests > 0
                else f"{self.winner} costs no more than the other."
            )
        yield (
            f"It took {counted(self.spent.requests, 'request')} and {self.spent.tokens:,} tokens in "
            f"{self.spent.seconds:.1f} s{self._price()}."
        )

    def _price(self) -> str:
        price = price_in_words(self.spent)
        return ", at a price that nobody knows" if price == "unknown" else f", for {price}" if price else ""

    def show(self, file: Writable | None = None) -> None:
        """Print what was found.

        Args:
            file: Where to; by default the standard output.
        """
        print_to(file, self.table())


def _row(side: Summary) -> tuple[str, ...]:
    total = side.success.total
    return (
        side.name,
        f"{side.success.passed}/{total}",
        as_percent(side.success.rate),
        f"{side.spent.requests / total:.1f}",
        f"{side.spent.tokens / total:,.0f}",
        f"{side.seconds_each:.2f}",
        "unknown" if side.spent.whole_cost is None else f"{side.spent.whole_cost / total:.6f}",
    )


def compared(
    names: tuple[str, str],
    pairs: Sequence[Pair],
    *,
    least: float,
    error: float,
    by: Scoring,
    tasks: int,
    spent: Spent,
) -> Comparison:
    """Return what pairs come to; also those of a comparison that was interrupted.

    Args:
        names: What the two sides are called.
        pairs: What came of each task.
        least: The least difference that is worth finding.
        error: How often a difference may be found where there is none.
        by: What counts of an outcome.
        tasks: How many tasks there were.
        spent: What it took in all.
    """
    test = PairedTest(least=least, error=error)
    for pair in pairs:
        test.add(pair.score("a", by), pair.score("b", by))
    finding: Result = "failing" if failing_sides(pairs) else test.finding or "undecided"
    why = in_words(finding, names, pairs, test, by=by, tasks=tasks)
    return Comparison(finding, why, names, tuple(pairs), test.difference, least, error, tasks, spent)
