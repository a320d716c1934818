"""Trying words on tasks, within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve

from mellea.core.budget import Spending
from mellea.core.event_loop import gather_or_cancel
from mellea.evaluation.candidates import Contestant
from mellea.evaluation.outcomes import Outcome
from mellea.evaluation.tasks import Task
from mellea.improving.parts import Observer, Part, prompts_of
from mellea.plugins.attaching import plugin_scope
from mellea.stdlib._wording import Example, wording

__all__ = ["SpentError", "Trials", "mean", "spent_share"]


class SpentError(Exception):
    """What may be spent on the search, or on the comparison, is spent."""


def spent_share(spending: Spending) -> float:
    """Return which share of a budget is spent, of the bound that is nearest."""
    bounds, left = spending.budget, spending.remaining_seconds()
    shares = [
        used / bound
        for used, bound in (
            (spending.attempts, bounds.attempts),
            (spending.tokens, bounds.tokens),
            (spending.money, bounds.money),
        )
        if bound is not None
    ]
    if bounds.seconds is not None and left is not None:
        shares.append(1 - left / bounds.seconds)
    return max(shares, default=0.0)


def mean(outcomes: Iterable[Outcome]) -> float:
    """Return the mean share of the requirements that are met."""
    shares = [outcome.share for outcome in outcomes]
    return sum(shares) / len(shares) if shares else 0.0


class Trials:
    """Runs a program with other words, and keeps what came of it.

    Args:
        contestant: The program.
        spending: What it has spent, with the bounds; each run of the program is an attempt.
        share: Which share of the budget may be spent here.
        concurrency: How many tasks run at the same time.
    """

    def __init__(self, contestant: Contestant, spending: Spending, share: float, concurrency: int) -> None:
        self.contestant = contestant
        self.spending = spending
        self.parts: list[Part] = []
        self.stopped = False
        """Whether nobody waits for it any more."""
        self._share = share
        self._places = asyncio.Semaphore(concurrency)
        self._known: dict[tuple[tuple[str, ...], str], tuple[Outcome, Observer]] = {}

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be tried."""
        return self.stopped or spent_share(self.spending) >= self._share

    @property
    def tried(self) -> int:
        """How many other texts were tried."""
        return len({place for place, _ in self._known}) - 1

    async def observe(self, tasks: Sequence[Task]) -> list[Observer]:
        """Return what a program says in tasks, as it is.

        Raises:
            SpentError: The budget does not allow it.
        """
        found = await gather_or_cancel(self._run(task, None, ()) for task in tasks)
        return [observer for _, observer in found]

    def keep_as(self, parts: list[Part], tasks: Sequence[Task]) -> None:
        """Keep what was observed as what came of the texts that the program has now."""
        self.parts = parts
        now = tuple(part.text for part in parts)
        for task in tasks:
            self._known[now, task.id] = self._known.pop(((), task.id))

    async def outcomes(
        self, tasks: Sequence[Task], texts: Mapping[str, str], examples: tuple[Example, ...] = ()
    ) -> list[Outcome]:
        """Return what comes of tasks with other texts; what is known already is not run again.

        Args:
            tasks: The tasks.
            texts: The texts, by the names of the parts.
            examples: The examples that typed functions show.

        Raises:
            SpentError: The budget is spent.
        """
        found = await gather_or_cancel(self._run(task, texts, examples) for task in tasks)
        return [outcome for outcome, _ in found]

    async def _run(
        self, task: Task, texts: Mapping[str, str] | None, examples: tuple[Example, ...]
    ) -> tuple[Outcome, Observer]:
        place = () if texts is None else tuple(texts[part.name] for part in self.parts)
        if not examples and (known := self._known.get((place, task.id))) is not None:
            return known
        prompts = None if texts is None else prompts_of(self.parts, texts, examples)
        trial = evolve(self.contestant, candidate=evolve(self.contestant.candidate, prompts=prompts))
        observer = Observer()
        async with self._places:
            if self.is_spent:
                raise SpentError
            self.spending.attempts += 1
            async with plugin_scope(observer):
                with wording(observer, over_all=True):
                    outcome = await trial.run(task)
        if outcome.error is not None and self.is_spent:
            raise SpentError  # it may be the budget that the program ran into
        if not examples:
            self._known[place, task.id] = outcome, observer
        return outcome, observer

    def finished(self, tasks: Sequence[Task]) -> list[tuple[dict[str, str], list[Outcome]]]:
        """Return the texts that were tried on all of some tasks, with what came of it; those of now first."""
        places = dict.fromkeys(place for place, _ in self._known)
        return [
            (
                {part.name: text for part, text in zip(self.parts, place, strict=True)},
                [self._known[place, task.id][0] for task in tasks],
            )
            for place in places
            if all((place, task.id) in self._known for task in tasks)
        ]

    def good_calls(self, tasks: Sequence[Task]) -> dict[str, list[tuple[Task, Example]]]:
        """Return the calls of typed functions in tasks that succeeded, by the heads of the functions."""
        found: dict[str, list[tuple[Task, Example]]] = {}
        seen: set[tuple[str, str]] = set()
        for task in tasks:
            for (_, name), (outcome, observer) in self._known.items():
                if name != task.id or not outcome.success:
                    continue
                for call in observer.calls:
                    if (call.of, call.arguments) not in seen:
                        seen.add((call.of, call.arguments))
                        found.setdefault(call.of, []).append((task, call))
        return found
