"""What steering wins in this process: tasks with rules on the embedded model, eight instructions at a time.

The tasks and checks are those of ``steering``, which is about a server. *Steered* is as the product does it:
the pattern where it takes all forms and the limit is large enough, else automata. *By automata* has a limit
one token too small for the longest text of the pattern, so that automata hold the text.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.measure import Plan, ainterleaved
from benchmarks.rules import Outcome, interval, plan_of, requirements_of, shares
from benchmarks.table import Row
from benchmarks.tasks import TASKS, Task
from mellea import MelleaSession, ModelOption, start_session
from mellea.core import Attempt, SamplingResult, UsageError
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea_hf import LocalHFBackend
from mellea_hf._engine import engine
from mellea_hf.weights import DEFAULT_MODEL_ID, load

__all__ = ["measured", "rows"]

_CALLS = 4
_TOGETHER = 8
_PIECES = 32
"""How much of an answer the measure of speed waits for."""
_LIMITS = (40, 64, 192, 512)
_FREE: Mapping[str, Any] = {
    ModelOption.TEMPERATURE: 0.4,
    ModelOption.MAX_NEW_TOKENS: 450,
    "repetition_penalty": 1.1,
}
"""Options of free calls: what steered ones draw with."""
_WAYS = ("free", "steered", "by automata")
_BOUNDS: Mapping[str, Mapping[str, float]] = {
    "steered, one call": {"strict": 100, "both": 92},
    f"steered, guards, up to {_CALLS} calls": {"both": 99},
    "by automata, one call": {"strict": 97},
}


def rows(plan: Plan) -> Iterator[Row]:
    """Measure it on the tasks that are for the result; a quick plan takes every fourth of them."""
    tasks = [task for task in TASKS if task.held_out]
    yield from measured(tasks[1::4] if plan.quick else tasks, plan)


def measured(tasks: Sequence[Task], plan: Plan) -> Iterator[Row]:
    """Measure it on some tasks; a quick plan tries every other of them at the limits."""
    tokenizer, *_ = parts = engine.submit(lambda: load(DEFAULT_MODEL_ID)).result()
    with LocalHFBackend(custom_config=parts) as backend, start_session(backend) as session:
        bench = _Bench(session, lambda text: len(tokenizer(text).input_ids))
        yield from asyncio.run(bench.carry_out(tasks, tasks[::2] if plan.quick else tasks))
        for size, bound in ((1, 0.95), (_TOGETHER, 0.85)):
            yield from asyncio.run(bench.speed(tasks[:size], 3 if plan.quick else 6, bound))


class _Bench:
    """Carries out tasks in a session.

    Args:
        session: The session.
        length: Gives the tokens of a text.
    """

    def __init__(self, session: MelleaSession, length: Callable[[str], int]) -> None:
        self._session, self._length = session, length
        self._free = asyncio.Semaphore(_TOGETHER)

    async def carry_out(self, tasks: Sequence[Task], limited: Sequence[Task]) -> list[Row]:
        """Return what every way makes of tasks, and what becomes of some of them at the limits."""
        found = await asyncio.gather(
            *(self._result(way, task, number) for way in _WAYS for number, task in enumerate(tasks)),
            *(self._ending(limit, task, number) for limit in _LIMITS for number, task in enumerate(limited)),
        )
        lines: list[Row] = []
        for number, way in enumerate(_WAYS):
            results = found[number * len(tasks) :][: len(tasks)]
            lines += _of_way(way, list(zip(tasks, results, strict=True)))
        for number, limit in enumerate(_LIMITS):
            endings = found[len(_WAYS) * len(tasks) + number * len(limited) :][: len(limited)]
            lines.append(_at_limit(limit, Counter(endings)))
        return lines

    async def _result(self, way: str, task: Task, number: int) -> SamplingResult[Any] | None:
        """Return what an instruction gives; None if it is refused."""
        calls = 1 if way == "free" else _CALLS
        try:
            return await self._instruct(task, {**_options(way, task), ModelOption.SEED: number + 1}, calls)
        except UsageError:
            return None

    async def _instruct(self, task: Task, options: Mapping[str, Any], calls: int) -> SamplingResult[Any]:
        async with self._free:
            return await self._session.clone().ainstruct(
                task.ask,
                requirements=requirements_of(task.rules),
                strategy=RejectionSamplingStrategy(loop_budget=calls),
                model_options=options,
                return_sampling_results=True,
            )

    async def _ending(self, limit: int, task: Task, number: int) -> str:
        """Return what becomes of a task where its answer may have so many tokens."""
        options = {ModelOption.MAX_NEW_TOKENS: limit, ModelOption.SEED: number + 1}
        try:
            result = await self._instruct(task, options, 1)
        except UsageError:
            return "refused"
        if set(result.steering.values()) != {"steered"}:
            return "left to checking"
        return "met" if task.strict(str(result.attempts[0].output)) else "missed"

    async def speed(self, tasks: Sequence[Task], rounds: int, bound: float) -> list[Row]:
        """Return the tokens a second of tasks at once behind the first one, steered against free."""

        def side(way: str) -> Callable[[], Awaitable[float]]:
            async def measured() -> float:
                begun = await asyncio.gather(*(self._begun(way, task) for task in tasks))
                seconds = time.perf_counter() - min(first for first, _ in begun)
                return sum(self._length(text) for _, text in begun) / seconds

            return measured

        free, *steered = await ainterleaved(rounds, *map(side, _WAYS))
        how = "alone" if len(tasks) == 1 else f"{len(tasks)} at once"
        return [
            Row(f"{way}, {how}, against free", rate, free, "tokens/s", bound=bound, at_least=True)
            for way, rate in zip(_WAYS[1:], steered, strict=True)
        ]

    async def _begun(self, way: str, task: Task) -> tuple[float, str]:
        """Return when the first piece of an answer came, and some text behind it."""
        thunk = await self._session.clone().astream_instruct(
            task.ask,
            requirements=requirements_of(task.rules),
            model_options={**_options(way, task), ModelOption.SEED: 1},
        )
        first, pieces = 0.0, list[str]()
        async for piece in thunk:
            first = first or time.perf_counter()
            pieces.append(piece)
            if len(pieces) == _PIECES:
                break
        await thunk.aclose()
        return first, "".join(pieces[1:])


def _options(way: str, task: Task) -> dict[str, Any]:
    if way == "free":
        return {**_FREE, ModelOption.STEER: False}
    return {} if way == "steered" else {ModelOption.MAX_NEW_TOKENS: plan_of(task).longest - 1}


def _of_way(way: str, results: Sequence[tuple[Task, SamplingResult[Any] | None]]) -> Iterator[Row]:
    """Yield what a way made of tasks at one call and, where it is steered, with guards."""
    found = {f"{way}, one call": [_outcome(*each, last=False) for each in results]}
    if way != "free":
        found[f"{way}, guards, up to {_CALLS} calls"] = [_outcome(*each, last=True) for each in results]
    for name, outcomes in found.items():
        yield from shares(name, outcomes)
        if way != "free":
            formed = [each for each in outcomes if each.steered]
            yield from shares(f"{name}, where all rules steer", formed, **_BOUNDS.get(name, {}))


def _at_limit(limit: int, found: Counter[str]) -> Row:
    """Return how many tasks are met, or refused at once, at a limit."""
    kept, held = found["met"] + found["refused"], found.total() - found["left to checking"]
    ends = ", ".join(f"{count} {name}" for name, count in found.most_common())
    name, note = f"met or refused at once, limit {limit}", f"{ends}; {interval(kept, held)}"
    return Row(name, kept, held, "tasks", bound=1, at_least=True, note=note)


def _outcome(task: Task, result: SamplingResult[Any] | None, *, last: bool) -> Outcome:
    """Return what came of a task by its first attempt, or by all; nothing good, where it was refused."""
    if result is None:
        return Outcome(False, False, all(each.steered for each in plan_of(task).outcomes), 0, 0, 0.0, 0.0)
    attempts: Sequence[Attempt[Any]] = result.attempts if last else result.attempts[:1]
    return Outcome.of(task, attempts, result.chosen if last else attempts[0], 0.0)
