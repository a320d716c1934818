"""Running tasks with candidates, side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.event_loop import gather_or_cancel, synchronous
from mellea.evaluation.candidates import Candidate, Contestant, needs_judge, opened
from mellea.evaluation.outcomes import Outcome
from mellea.evaluation.reports import Report
from mellea.evaluation.tasks import Task, tasks_of

__all__ = [
    "TIME_LIMIT",
    "aevaluate",
    "check_concurrency",
    "check_one_judge",
    "check_time_limit",
    "evaluate",
]

TIME_LIMIT = 600.0
"""Seconds that an answer may take, unless somebody says otherwise."""


async def aevaluate(
    tasks: str | PathLike[str] | Iterable[Task | Mapping[str, Any]],
    *candidates: Any,
    judge: str | Backend | None = None,
    concurrency: int = 8,
    judge_options: Mapping[str, Any] | None = None,
    time_limit: float | None = TIME_LIMIT,
    on_outcome: Callable[[Outcome], object] | None = None,
) -> Report:
    """Return what comes of tasks with each of some candidates.

    A task whose program or provider fails is reported as failed; the others go on.

    Args:
        tasks: The tasks, or the file that they are in.
        candidates: What answers them: a ``Candidate``, a function, ``program.py:function``, a backend, the
            name of one, or ``backend/model``; by default the default backend.
        judge: What judges requirements in words: a backend, its name, or ``backend/model``; by default each
            candidate's own.
        concurrency: How many tasks run at the same time.
        judge_options: Model options of the judges' calls.
        time_limit: Seconds that an answer may take, and its verdicts, before it counts as an error; None for
            no limit.
        on_outcome: Is told each outcome as it comes, for whoever may be interrupted.

    Raises:
        UsageError: There are no tasks, two candidates have one name, or nothing names the one judge of
            several.
        PluginError: A backend cannot be opened.
        ProviderError: A backend cannot be opened, because its server or weights are not there.
    """
    check_concurrency(concurrency)
    check_time_limit(time_limit)
    known = tasks_of(tasks)
    answering = tuple(map(Candidate.of, candidates)) or (Candidate(),)
    _check_names(answering)
    check_one_judge(answering, judge, known)
    places = asyncio.Semaphore(concurrency)
    started = time.perf_counter()

    async def run(contestant: Contestant, task: Task) -> Outcome:
        async with places:
            outcome = await contestant.run(task)
        if on_outcome is not None:
            on_outcome(outcome)
        return outcome

    async with opened(answering, judge, known, judge_options, time_limit) as ready:
        outcomes = await gather_or_cancel(run(contestant, task) for task in known for contestant in ready)
    return Report(tuple(outcomes), len(outcomes), time.perf_counter() - started)


evaluate = synchronous(aevaluate)


def check_concurrency(concurrency: object) -> None:
    """Refuse what is no number of tasks.

    Raises:
        UsageError: It is none.
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        raise UsageError(f"concurrency is {concurrency!r}.", hint="Pass a whole number, 1 or more.")


def check_time_limit(seconds: object) -> None:
    """Refuse what is no time.

    Raises:
        UsageError: It is none.
    """
    if seconds is None or (
        isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    ):
        return
    raise UsageError(f"time_limit is {seconds!r}.", hint="Pass seconds above zero, or None for no limit.")


def check_one_judge(candidates: Sequence[Candidate], judge: object, tasks: Iterable[Task]) -> None:
    """Refuse to let several models judge each its own answers: verdicts of two judges do not compare.

    Raises:
        UsageError: They would.
    """
    judges = {
        (id(one.backend) if isinstance(one.backend, Backend) else one.backend, str(one.model))
        for one in candidates
    }
    if judge is None and len(judges) > 1 and any(map(needs_judge, tasks)):
        raise UsageError(
            "Each model would judge its own answers, and what two judges say cannot be compared.",
            hint="Name one judge for all: judge=..., or --judge on the command line.",
        )


def _check_names(candidates: Sequence[Candidate]) -> None:
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.name in seen:
            raise UsageError(
                f"Two candidates are called {candidate.name!r}.",
                hint="Give one another name: Candidate(name=...).",
            )
        seen.add(candidate.name)
