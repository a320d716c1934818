"""Comparing two candidates on the same tasks, until it is known which is better."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from os import PathLike
from typing import Any

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.event_loop import gather_or_cancel, synchronous
from mellea.evaluation.candidates import Candidate, Contestant, opened, tally
from mellea.evaluation.comparison import Comparison, compared
from mellea.evaluation.findings import failing_sides
from mellea.evaluation.outcomes import Pair, Scoring
from mellea.evaluation.running import TIME_LIMIT, check_concurrency, check_one_judge, check_time_limit
from mellea.evaluation.sequential import PairedTest
from mellea.evaluation.tasks import Task, tasks_of

__all__ = ["acompare", "compare"]


async def acompare(
    a: Any,
    b: Any,
    tasks: str | PathLike[str] | Iterable[Task | Mapping[str, Any]],
    *,
    least: float = 0.15,
    error: float = 0.05,
    at_most: int | None = None,
    by: Scoring = "success",
    judge: str | Backend | None = None,
    concurrency: int = 4,
    seed: int = 0,
    judge_options: Mapping[str, Any] | None = None,
    time_limit: float | None = TIME_LIMIT,
    on_pair: Callable[[Pair], object] | None = None,
) -> Comparison:
    """Return which of two candidates is better, as soon as it is known.

    Both answer the same tasks, in random order, until one is better, until no difference worth finding is
    left, or until the tasks run out. An error of a program or a provider is a failure in that task; a side
    that does nothing but fail is stopped. See ``PairedTest`` for the test and its sources.

    Args:
        a: A ``Candidate``, a function, ``program.py:function``, a backend, the name of one, or
            ``backend/model``.
        b: The same.
        tasks: The tasks, or the file that they are in.
        least: The least difference of success rates that is worth finding; 0.15 is 15 points.
        error: How often a difference may be found where there is none.
        at_most: After how many tasks to give up; by default after all of them.
        by: What counts: whether all requirements of a task are met, or the share of them that are.
        judge: What judges requirements in words; by default the one backend of both.
        concurrency: How many tasks run at the same time, some of them ahead of the test.
        seed: Seed of the order of the tasks.
        judge_options: Model options of the judges' calls.
        time_limit: Seconds that an answer may take, and its verdicts, before it counts as an error; None for
            no limit.
        on_pair: Is told each pair as it is counted, for whoever may be interrupted.

    Raises:
        UsageError: Both are the same, there are no tasks, a number is out of range, or nothing names the one
            judge of both.
        PluginError: A backend cannot be opened.
        ProviderError: A backend cannot be opened, because its server or weights are not there.
    """
    check_concurrency(concurrency)
    check_time_limit(time_limit)
    sides = (Candidate.of(a), Candidate.of(b))
    if (one := sides[0]) == sides[1]:
        raise UsageError(
            f"Both sides are {one.name}: whatever differs is chance.", hint="Pass two different ones."
        )
    sides = _with_two_names(*sides)
    known = tasks_of(tasks)
    check_one_judge(sides, judge, known)
    random.Random(seed).shuffle(known)  # noqa: S311  the order has to be arbitrary, not secret
    if at_most is not None:
        if isinstance(at_most, bool) or not isinstance(at_most, int) or at_most < 1:
            raise UsageError(f"at_most is {at_most!r}.", hint="Pass a whole number, 1 or more.")
        known = known[:at_most]
    test = PairedTest(least=least, error=error)
    counted: list[Pair] = []
    with tally() as counting:
        async with (
            opened(sides, judge, known, judge_options, time_limit) as (first, second),
            aclosing(_pairs(first, second, known, concurrency)) as pairs,
        ):
            async for pair in pairs:
                counted.append(pair)
                if on_pair is not None:
                    on_pair(pair)
                test.add(pair.score("a", by), pair.score("b", by))
                if test.finding is not None or failing_sides(counted):
                    break
    names = (sides[0].name, sides[1].name)
    return compared(names, counted, least=least, error=error, by=by, tasks=len(known), spent=counting.spent)


compare = synchronous(acompare)


async def _pairs(
    first: Contestant, second: Contestant, tasks: Iterable[Task], concurrency: int
) -> AsyncGenerator[Pair, None]:
    """Iterate over the pairs of outcomes in the order of the tasks, some of them worked on ahead.

    In another order those that are fast would count first, and outcomes have to do with that.
    """
    ahead: deque[asyncio.Task[Pair]] = deque()
    try:
        for task in tasks:
            ahead.append(asyncio.create_task(_pair(first, second, task)))
            if len(ahead) >= concurrency:
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()
    finally:
        for running in ahead:
            running.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def _pair(first: Contestant, second: Contestant, task: Task) -> Pair:
    a, b = await gather_or_cancel(side.run(task) for side in (first, second))
    return Pair(a, b)


def _with_two_names(a: Candidate, b: Candidate) -> tuple[Candidate, Candidate]:
    """Return both under names that tell them apart."""
    if a.name != b.name:
        return a, b
    return evolve(a, name=f"{a.name} (a)"), evolve(b, name=f"{b.name} (b)")
