"""What a map is going to take, from a sample of its rows, which is paid for and kept."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve, frozen

from mellea.core.billing import Spent
from mellea.core.errors import UsageError
from mellea.core.event_loop import synchronous
from mellea.mapping.mapping import plan_of
from mellea.mapping.progress import duration
from mellea.mapping.results import MappedRow
from mellea.mapping.rows import Rows
from mellea.mapping.running import Results

__all__ = ["Estimate", "aestimate", "estimate"]

SAMPLE = 20
"""How many rows are tried, unless something else is said."""
_SIGNIFICANCE = 1.96
"""Of a mean: it lies within so many standard errors 95 times in 100."""


@frozen
class Estimate:
    """What all rows are going to take.

    Args:
        rows: How many there are.
        sample: How many were tried.
        failed: How many of these failed.
        paid: What was paid for the sample in this run.
        requests: Requests: the least and the most that is likely, 95 times in 100.
        tokens: Tokens, likewise.
        cost: US dollars, likewise; None where nobody knows the price.
        seconds: How long it is going to take with the concurrency that was asked for, likewise.
        is_kept: Whether the sample is in a journal, and not paid for again.
    """

    rows: int
    sample: int
    failed: int
    paid: Spent
    requests: tuple[float, float]
    tokens: tuple[float, float]
    cost: tuple[float, float] | None
    seconds: tuple[float, float]
    is_kept: bool = True

    def __str__(self) -> str:
        low, high = self.seconds
        lines = [
            f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}, from a sample of {self.sample:,}"
            + (f", of which {self.failed:,} failed" if self.failed else ""),
            f"  requests  {self.requests[0]:,.0f} to {self.requests[1]:,.0f}",
            f"  tokens    {self.tokens[0]:,.0f} to {self.tokens[1]:,.0f}",
            f"  time      {duration(low)} to {duration(high)}",
        ]
        if self.cost is not None:
            digits = 2 if self.cost[1] >= 0.1 else 4
            lines.append(f"  cost      ${self.cost[0]:,.{digits}f} to ${self.cost[1]:,.{digits}f}")
        else:
            lines.append("  cost      nobody knows the price")
        kept = "The sample is in the journal" if self.is_kept else "There is no journal, and the sample took"
        lines.append(f"{kept}: {self.paid}.")
        return "\n".join(lines)


async def aestimate(
    program: str | Callable[..., Any], rows: Rows, *, sample: int = SAMPLE, **options: Any
) -> Estimate:
    """Return what all rows are going to take, from a sample drawn at random, always the same.

    The sample is paid for. Its rows are in the journal, so that ``map`` does not pay for them again.

    Args:
        program: The program.
        rows: A file, or rows that can be read twice.
        sample: How many rows are tried.
        options: What ``amap`` takes.

    Raises:
        UsageError: There are no rows, they can be read only once, or ``amap`` refuses something.
        MelleaError: What ends all rows, such as a key that the provider refuses.
    """
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        raise UsageError(f"sample is {sample!r}.", hint="Pass a whole number, 1 or more.")
    plan = plan_of(program, rows, **options)
    total = plan.source.total
    if not plan.source.again or not total:
        await plan.journal.end()
        raise UsageError(
            "There are no rows that can be read twice.", hint="Pass a file, or a list, with rows in it."
        )
    total = total if plan.at_most is None else min(total, plan.at_most)
    chosen = frozenset(random.Random(0).sample(range(total), min(sample, total)))  # noqa: S311  it guards nothing
    results = Results(evolve(plan, places=chosen, at_most=total))
    tried = [result async for result in results]
    told = _estimated(tried, total, results.progress.paid, plan.engine.places)
    return evolve(told, is_kept=plan.journal.path is not None)


estimate = synchronous(aestimate)


def _estimated(tried: Sequence[MappedRow], rows: int, paid: Spent, places: int) -> Estimate:
    costs = [cost for each in tried if (cost := each.spent.whole_cost) is not None]
    seconds = _total([each.spent.seconds for each in tried], rows)
    at_once = min(places, rows)
    return Estimate(
        rows,
        len(tried),
        sum(each.error is not None for each in tried),
        paid,
        _total([each.spent.requests for each in tried], rows),
        _total([each.spent.tokens for each in tried], rows),
        _total(costs, rows) if len(costs) == len(tried) else None,
        (seconds[0] / at_once, seconds[1] / at_once),
    )


def _total(sample: Sequence[float], rows: int) -> tuple[float, float]:
    """Return the bounds of a sum over all rows: that of the sample is known, the rest is estimated."""
    mean, rest = statistics.fmean(sample), rows - len(sample)
    spread = statistics.stdev(sample) if len(sample) > 1 else mean
    error = _SIGNIFICANCE * rest * spread * math.sqrt(1 / len(sample) + 1 / max(rest, 1))
    likely = sum(sample) + rest * mean
    return max(likely - error, sum(sample)), likely + error
