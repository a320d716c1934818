"""Improving a program with tasks: a search on some of them, and a comparison on the others."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.budget import Budget, Spending
from mellea.core.errors import BudgetError, UsageError
from mellea.core.event_loop import synchronous
from mellea.evaluation.candidates import Candidate, Contestant, opened, tally
from mellea.evaluation.comparing import acompare
from mellea.evaluation.comparison import Comparison, compared
from mellea.evaluation.outcomes import Pair, Scoring
from mellea.evaluation.running import TIME_LIMIT, check_concurrency, check_time_limit
from mellea.evaluation.tasks import Task, tasks_of
from mellea.improving.improvement import Improvement
from mellea.improving.parts import parts_of, prompts_of
from mellea.improving.past_calls import most_different
from mellea.improving.search import check_installed, search
from mellea.improving.trials import SpentError, Trials, mean, spent_share
from mellea.stdlib._wording import Example
from mellea.stdlib.prompts import Prompts

__all__ = ["aoptimise", "optimise"]

DEFAULT_BUDGET = Budget(attempts=400)
_SEARCH_SHARE = 0.6
"""Which share of the budget the search may spend; the rest is for the comparison."""
_FEWEST_KEPT = 9
"""How many tasks a comparison takes at the least."""
_MOST_SEARCHED = 40


async def aoptimise(
    program: Any,
    tasks: str | PathLike[str] | Iterable[Task | Mapping[str, Any]],
    *,
    backend: str | Backend | None = None,
    model: Any = None,
    model_options: Mapping[str, Any] | None = None,
    judge: str | Backend | None = None,
    reflector: str | Backend | None = None,
    budget: Budget = DEFAULT_BUDGET,
    rounds: int = 20,
    examples: int = 4,
    least: float = 0.15,
    error: float = 0.05,
    by: Scoring = "success",
    concurrency: int = 4,
    seed: int = 0,
    time_limit: float | None = TIME_LIMIT,
) -> Improvement:
    """Return better prompts and examples for a program, if there are any.

    A third of the tasks, 40 at most, is for the search: a model is told what came of them, with the reason of
    each verdict, and proposes other words for the texts of the program (docstrings of typed functions, tasks,
    prefixes, requirements). Calls of typed functions that went well become examples. The best candidate is
    then compared with the program as it is, on the other tasks; it is refused unless it is known to be
    better.

    Args:
        program: A function, ``program.py:function``, or a ``Candidate``.
        tasks: The tasks, or the file that they are in; 13 at the least.
        backend: What the program's sessions generate with: a backend, or the name of one.
        model: The model; by default the backend's own.
        model_options: Options of every call of the program.
        judge: What judges requirements in words; by default the program's backend.
        reflector: What proposes other words: a backend, its name, or ``backend/model``; by default the
            program's backend.
        budget: What all of it may spend; an attempt is a run of the program on one task. The search spends
            three fifths at the most.
        rounds: How many proposals are made at the most.
        examples: How many examples a typed function is shown at the most; 0 for none.
        least: The least difference of success rates that is worth finding.
        error: How often a candidate may be kept that is no better.
        by: What counts in the comparison: whether all requirements of a task are met, or their share.
        concurrency: How many tasks run at the same time.
        seed: Seed of which tasks are for the search, and of its draws.
        time_limit: Seconds that an answer may take.

    Raises:
        UsageError: There are too few tasks, the program has no text of its own, or the search is not
            installed.
        BudgetError: The budget does not even allow to look at the program.
        PluginError: A backend cannot be opened.
        ProviderError: The model that proposes words failed, or a backend cannot be opened.
    """
    check_installed()
    check_concurrency(concurrency)
    check_time_limit(time_limit)
    given = {"backend": backend, "model": model, "model_options": dict(model_options or {})}
    candidate = Candidate.of(program, **{name: value for name, value in given.items() if value})
    searched, kept = _split(tasks_of(tasks), seed)
    asked = reflector if reflector is not None else candidate.backend
    proposes = _reflecting(asked, candidate)
    with tally() as counting:
        spending = Spending(budget)
        async with opened((candidate, proposes), judge, [*searched, *kept], None, time_limit) as (it, other):
            ready = _with_own_backend(it)
            reflecting = other.backend
            assert reflecting is not None  # noqa: S101  it has no program, and so a backend
            used = [one for one in (ready.backend, ready.judge, reflecting) if one is not None]
            with spending.paying(), spending.bounding_money(used):
                trials = Trials(ready, spending, _SEARCH_SHARE, concurrency)
                await _search(trials, searched, reflecting, rounds=rounds, seed=seed)
                prompts, before, after = await _best(trials, searched, examples, concurrency)
                tried = trials.tried
                found = None
                if prompts.texts or prompts.examples:
                    settings: dict[str, Any] = {"least": least, "error": error, "by": by, "seed": seed}
                    settings |= {"concurrency": concurrency, "time_limit": time_limit}
                    found = await _compare(ready, prompts, kept, spending, settings)
    return _told(prompts, (before, after), tried, len(searched), found, counting.spent)


optimise = synchronous(aoptimise)


def _reflecting(asked: str | Backend | None, candidate: Candidate) -> Candidate:
    if asked is None or asked == candidate.backend:
        return Candidate(backend=asked, model=candidate.model)
    return Candidate.of(asked)


def _with_own_backend(contestant: Contestant) -> Contestant:
    """Return a contestant whose candidate names the backend that is open."""
    if contestant.backend is None:
        return contestant
    return evolve(contestant, candidate=evolve(contestant.candidate, backend=contestant.backend))


def _split(tasks: list[Task], seed: int) -> tuple[list[Task], list[Task]]:
    """Return the tasks to search on, and those to compare on."""
    shuffled = list(tasks)
    random.Random(seed).shuffle(shuffled)  # noqa: S311  the order has to be arbitrary, not secret
    searched = min(_MOST_SEARCHED, max(4, len(tasks) // 3))
    if len(tasks) - searched < _FEWEST_KEPT:
        raise UsageError(
            f"{len(tasks)} tasks are too few to improve a program: a part of them is searched on, and at "
            f"least {_FEWEST_KEPT} others have to tell whether it has become better.",
            hint=f"Give {_FEWEST_KEPT + 4} or more; some sixty find a difference of 15 points.",
        )
    return shuffled[:searched], shuffled[searched:]


async def _search(trials: Trials, tasks: list[Task], reflector: Backend, *, rounds: int, seed: int) -> None:
    try:
        observers = await trials.observe(tasks)
    except SpentError as error:
        raise BudgetError(
            f"The budget does not allow to run the program on {len(tasks)} tasks, and to search with it.",
            hint="Raise it, or give fewer tasks.",
        ) from error
    if not (parts := parts_of(observers)):
        raise UsageError(
            f"{trials.contestant.candidate.name} says nothing twice, so that there is no text to improve.",
            hint="Use typed functions, and instructions with variables: 'Write about {{x}}.' with "
            "user_variables, not an f-string.",
        )
    trials.keep_as(parts, tasks)
    await search(trials, tasks, reflector, rounds=rounds, seed=seed)


async def _best(
    trials: Trials, tasks: list[Task], examples: int, concurrency: int
) -> tuple[Prompts, float, float]:
    """Return the best that was found, and the mean shares before and after."""
    (now, outcomes), *others = trials.finished(tasks)
    before = mean(outcomes)
    texts, after = now, before
    for tried, came in others:
        if mean(came) > after:
            texts, after = tried, mean(came)
    if after >= 1:  # examples only make a prompt longer then
        return prompts_of(trials.parts, texts), before, after
    shown = _examples(trials, tasks, examples)
    donors = {task.id for task, _ in shown}
    rest = [task for task in tasks if task.id not in donors]
    if shown and rest:
        again = Trials(trials.contestant, trials.spending, _SEARCH_SHARE + 0.1, concurrency)
        again.parts = trials.parts
        calls = tuple(example for _, example in shown)
        try:
            with_them = mean(await again.outcomes(rest, texts, calls))
        except SpentError:
            with_them = 0.0
        without = mean(next(came for tried, came in trials.finished(rest) if tried == texts))
        if with_them > without:
            share = after + (with_them - without) * len(rest) / len(tasks)
            return prompts_of(trials.parts, texts, calls), before, share
    return prompts_of(trials.parts, texts), before, after


def _examples(trials: Trials, tasks: list[Task], most: int) -> list[tuple[Task, Example]]:
    """Return calls that went well, a few of each typed function; at most half of the tasks give them."""
    return [
        found[place]
        for found in trials.good_calls(tasks[: len(tasks) // 2]).values()
        for place in most_different([call.arguments for _, call in found], most)
    ]


async def _compare(
    contestant: Contestant,
    prompts: Prompts,
    tasks: list[Task],
    spending: Spending,
    settings: dict[str, Any],
) -> Comparison:
    """Compare the program with the best candidate, as far as the budget goes."""
    counted: list[Pair] = []
    named = contestant.candidate
    before = evolve(named, name=named.name.partition(" on ")[0])
    better = evolve(before, prompts=prompts, name=f"{before.name}, improved")

    def count(pair: Pair) -> None:
        spending.attempts += 2
        if spent_share(spending) >= 1:
            raise SpentError
        counted.append(pair)

    with tally() as counting:
        try:
            return await acompare(before, better, tasks, judge=contestant.judge, on_pair=count, **settings)
        except SpentError:
            pass
    names = (before.name, better.name)
    chosen = {name: settings[name] for name in ("least", "error", "by")}
    return compared(names, counted, **chosen, tasks=len(tasks), spent=counting.spent)


def _told(
    prompts: Prompts,
    shares: tuple[float, float],
    tried: int,
    searched: int,
    found: Comparison | None,
    spent: Any,
) -> Improvement:
    before, after = shares
    figures = f"{100 * before:.0f}% of the requirements of {searched} tasks"
    if found is None:
        if before >= 1:
            why = f"Refused: there is nothing to improve, as the program meets all of {figures[8:]}."
            return Improvement("refused", why, prompts, before, after, tried, searched, None, spent)
        others = f"none of {tried} candidates meets more" if tried else "no other words were found to try"
        why = f"Refused: the program meets {figures}, and {others}."
        return Improvement("refused", why, prompts, before, after, tried, searched, None, spent)
    if found.finding == "b":
        known = {"why": found.why, "pairs": len(found.pairs), "difference": round(-found.difference, 6)}
        kept = evolve(prompts, found=known)
        return Improvement("better", found.why, kept, before, after, tried, searched, found, spent)
    seen = f"{figures} in the search, and the best of {tried} candidates {100 * after:.0f}%"
    why = f"Refused: the program meets {seen}, but not on others. {found.why}"
    return Improvement("refused", why, prompts, before, after, tried, searched, found, spent)
