"""What steering wins: tasks with rules on a real llama.cpp server, free and steered, by ``instruct``.

Every way gets the same instruction with the same requirements. What is strict and clean, ``rules`` says.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.measure import Plan
from benchmarks.rules import Outcome, plan_of, requirements_of, shares
from benchmarks.table import Row
from benchmarks.tasks import TASKS, Task
from mellea import CBlock, MelleaSession, start_session
from mellea.core import Attempt, MelleaError, ModelOption, SamplingResult
from mellea.core.text_pattern import TextPattern
from mellea.stdlib.sampling import RejectionSamplingStrategy, RepairTemplateStrategy, SamplingStrategy

__all__ = ["rows"]

CALLS = 4
FREE: Mapping[str, Any] = {
    ModelOption.TEMPERATURE: 0.4,
    ModelOption.MAX_NEW_TOKENS: 450,
    "repeat_penalty": 1.1,
    "repeat_last_n": 256,
}
"""Options of free calls; with these a text is clean more often than with the server's own."""


class Bench:
    """Carries out tasks in a session."""

    def __init__(self, session: MelleaSession) -> None:
        self.session = session
        self.planning: list[float] = []
        self.compiling: list[float] = []
        self.refused = 0

    def instruct(
        self, task: Task, number: int, strategy: SamplingStrategy, *, steered: bool, draw: int = 0
    ) -> SamplingResult[Any]:
        """Return what an instruction gives. All ways begin with the same seed."""
        options = {ModelOption.SEED: 1000 * number + 1 + draw} | ({} if steered else FREE)
        return self.session.clone().instruct(
            task.ask,
            requirements=requirements_of(task.rules),
            strategy=strategy,
            model_options=options,
            steer=steered,
            return_sampling_results=True,
        )

    def ways(self, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
        """Yield what each way makes of a task."""
        once = RejectionSamplingStrategy(loop_budget=1)
        drawn = [self.instruct(task, number, once, steered=False, draw=draw).chosen for draw in range(CALLS)]
        best = max(drawn, key=lambda attempt: attempt.rank)
        met = next((at for at, attempt in enumerate(drawn) if attempt.success), None)
        yield FREE_ONCE, _outcome(task, drawn[:1], drawn[0])
        yield f"free, best of {CALLS}", _outcome(task, drawn, best)
        yield (
            f"free, rejection, up to {CALLS} calls",
            _outcome(task, drawn if met is None else drawn[: met + 1], best if met is None else drawn[met]),
        )
        repaired = self.instruct(task, number, RepairTemplateStrategy(loop_budget=CALLS), steered=False)
        yield f"free, repair, up to {CALLS} calls", _outcome(task, repaired.attempts, repaired.chosen)
        yield from self.steered(task, number)

    def once(self, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
        """Yield what a free call and the steered ways make of a task."""
        free = self.instruct(task, number, RejectionSamplingStrategy(loop_budget=1), steered=False)
        yield FREE_ONCE, _outcome(task, free.attempts, free.attempts[0])
        yield from self.steered(task, number)

    def steered(self, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
        """Yield what the steered ways make of a task."""
        try:
            steered = self.instruct(task, number, RejectionSamplingStrategy(loop_budget=CALLS), steered=True)
        except MelleaError:
            self.refused += 1
            return
        yield STEERED_ONCE, _outcome(task, steered.attempts[:1], steered.attempts[0])
        yield GUARDED, _outcome(task, steered.attempts, steered.chosen)

    def time_pattern(self, task: Task) -> None:
        """Note the seconds that planning takes, and those that a server needs more for the first token.

        The prompt has been read by then, so that its seconds hide neither.
        """
        start = time.perf_counter()
        plan = plan_of(task)
        self.planning.append(time.perf_counter() - start)
        pattern = TextPattern(plan.pattern or ".*", 1)
        self._first_token(task, None)
        free, steered = (min(self._first_token(task, each) for _ in range(3)) for each in (None, pattern))
        self.compiling.append(steered - free)

    def _first_token(self, task: Task, pattern: TextPattern | None) -> float:
        start = time.perf_counter()
        self.session.clone().act(
            CBlock(task.prompt),
            strategy=None,
            format=pattern,
            model_options={ModelOption.MAX_NEW_TOKENS: 1, ModelOption.SEED: 1, "cache_prompt": True},
        )
        return time.perf_counter() - start


def _outcome(task: Task, attempts: Sequence[Attempt[Any]], chosen: Attempt[Any]) -> Outcome:
    decoding = sum(attempt.output.raw.response["timings"]["predicted_ms"] for attempt in attempts) / 1e3
    return Outcome.of(task, attempts, chosen, decoding)


def rows(plan: Plan) -> Iterator[Row]:
    """Measure every way on the tasks that are for the result.

    A quick plan takes every other of them, and leaves out the ways that draw or repair free texts.
    """
    from tests.servers.llama import running_llama_server

    tasks = [task for task in TASKS if task.held_out][1 if plan.quick else 0 :: 2 if plan.quick else 1]
    ways: dict[str, list[Outcome]] = {}
    with (
        running_llama_server() as server,
        start_session("openai", server.model_id, base_url=server.base_url, api_key="none") as session,
    ):
        bench = Bench(session)
        plan_of(
            next(task for task in TASKS if not task.held_out)
        )  # the first one imports what plans are made of
        for task in TASKS:
            if task.held_out:  # before the calls, since a plan that was made is kept
                bench.time_pattern(task)
        for number, task in enumerate(tasks):
            for name, outcome in (bench.once if plan.quick else bench.ways)(task, number):
                ways.setdefault(name, []).append(outcome)
    for name, outcomes in ways.items():
        yield from shares(name, outcomes)
    for name, bounds in _BOUNDS.items():
        yield from shares(f"{name}, where all rules steer", [o for o in ways[name] if o.steered], **bounds)
    yield from _rates(ways[FREE_ONCE], ways[STEERED_ONCE])
    made = [sum(pair) for pair in zip(bench.planning, bench.compiling, strict=True)]
    for what, seconds, bound in (
        ("making a pattern", bench.planning, None),
        ("and its acceptance", made, 50.0),
    ):
        middle, slow = statistics.median(seconds) * 1e3, statistics.quantiles(seconds, n=20)[-1] * 1e3
        note = f"median {middle:.1f} ms"
        yield Row(f"{what}, 95th percentile", slow, 0.0, "ms", by="difference", bound=bound, note=note)
    yield Row("requests that the server refused", bench.refused, 0.0, "", by="difference", bound=0.0)


def _rates(free: Sequence[Outcome], steered: Sequence[Outcome]) -> Iterator[Row]:
    """Yield the tokens a second: of whole calls, and of what follows the first token of each."""
    calls = [
        sum(each.tokens for each in ways) / sum(each.seconds for each in ways) for ways in (steered, free)
    ]
    yield Row("steered tokens a second of whole calls, against free", *calls, "tokens/s")
    after = [
        sum(each.tokens - each.calls for each in ways) / sum(each.decoding for each in ways)
        for ways in (steered, free)
    ]
    name = "steered tokens a second after the first, against free"
    yield Row(name, *after, "tokens/s", bound=0.9, at_least=True)


FREE_ONCE = "free, one call"
STEERED_ONCE = "steered, one call"
GUARDED = f"steered, guards, up to {CALLS} calls"
_BOUNDS: Mapping[str, Mapping[str, float]] = {STEERED_ONCE: {"strict": 97, "both": 80}, GUARDED: {"both": 97}}
