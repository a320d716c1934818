"""What requirements cost: judges and lanes in latencies, checks and attempts against bare calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from openai import AsyncOpenAI

from benchmarks.measure import Plan, ainterleaved, atimed, crowd, interleaved, timed
from benchmarks.server import Server, running_server
from benchmarks.table import Row
from mellea import MelleaSession, RejectionSamplingStrategy, check, simple_validate, start_session
from mellea.testing import ScriptedBackend

__all__ = ["rows"]

_LATENCY = 100
_TASK = "Say hello."
_ASKED: list[Any] = [{"role": "user", "content": _TASK}]
_JUDGED = [f"It is {how}." for how in ("polite", "short", "friendly", "clear", "true")]
_FREE = check("not empty", simple_validate(bool))
_NEVER = check("never", simple_validate("".__eq__))


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    with running_server() as server:
        yield asyncio.run(_judges(plan, server))
        yield asyncio.run(_lanes(plan, server))
        yield asyncio.run(_many(plan, server))
        for delay_ms in (_LATENCY, 0):
            yield asyncio.run(_rejected(plan, server, delay_ms))
    yield _one_check(plan)


def _session(url: str) -> MelleaSession:
    return start_session("openai", model_id="m", base_url=url, api_key="k")


async def _judges(plan: Plan, server: Server) -> Row:
    url = server.base_url(delay_ms=_LATENCY)
    async with _session(url) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:

        async def judged() -> None:
            result = await session.ainstruct(_TASK, requirements=_JUDGED, return_sampling_results=True)
            result.raise_for_failure()

        ours, latency = await ainterleaved(plan.rounds(12), atimed(judged, 1), _bare(sdk))
    return Row(
        f"instruct, {len(_JUDGED)} judged requirements, against one bare call",
        ours * 1e3,
        latency * 1e3,
        "ms",
        bound=2.2,
    )


async def _lanes(plan: Plan, server: Server) -> Row:
    """Measure what each further round costs three lanes that are all rejected."""
    url = server.base_url(delay_ms=_LATENCY)
    async with _session(url) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:

        async def rejected(rounds: int) -> None:
            strategy = RejectionSamplingStrategy(loop_budget=rounds, concurrency_budget=3)
            await session.ainstruct(_TASK, requirements=[_NEVER], strategy=strategy)

        three, one, latency = await ainterleaved(
            plan.rounds(8), atimed(lambda: rejected(3), 1), atimed(lambda: rejected(1), 1), _bare(sdk)
        )
    per_round = (three - one) / 2
    return Row(
        "each further round of three lanes, against one bare call",
        per_round * 1e3,
        latency * 1e3,
        "ms",
        bound=1.1,
    )


def _bare(sdk: AsyncOpenAI) -> Callable[[], Awaitable[float]]:
    """Return a side that makes one bare call: one latency of the server, as this machine sees it now."""
    return atimed(lambda: sdk.chat.completions.create(model="m", messages=_ASKED), 1)


async def _many(plan: Plan, server: Server) -> Row:
    url = server.base_url(delay_ms=_LATENCY)
    async with _session(url) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:
        ours, bare = await ainterleaved(
            plan.rounds(5),
            crowd(lambda: session.ainstruct(_TASK, requirements=[_FREE]), 1000, 128),
            crowd(lambda: sdk.chat.completions.create(model="m", messages=_ASKED), 1000, 128),
        )
    name = f"1,000 instructions with a free check, 128 at a time, {_LATENCY} ms each"
    return Row(name, ours * 1e3, bare * 1e3, "ms", bound=1.0)


async def _rejected(plan: Plan, server: Server, delay_ms: int) -> Row:
    url = server.base_url(delay_ms=delay_ms)
    strategy = RejectionSamplingStrategy(loop_budget=3)
    async with _session(url) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:

        async def three() -> None:
            for _ in range(3):
                await sdk.chat.completions.create(model="m", messages=_ASKED)

        times = 1 if delay_ms else 10
        ours, bare = await ainterleaved(
            plan.rounds(12 if delay_ms else 30),
            atimed(lambda: session.ainstruct(_TASK, requirements=[_NEVER], strategy=strategy), times),
            atimed(three, times),
        )
    return Row(f"three rejected attempts, {delay_ms} ms each", ours * 1e3, bare * 1e3, "ms", bound=1.3)


def _one_check(plan: Plan) -> Row:
    backend = ScriptedBackend("An answer of one sentence.")
    with start_session(backend) as session:

        def forget() -> None:
            backend.requests.clear()
            session.reset()

        def instruct() -> float:
            forget()
            return timed(lambda: session.instruct(_TASK, requirements=[_FREE]), 50)()

        def act() -> float:
            forget()
            return timed(lambda: session.act(_TASK), 50)()

        ours, plain = interleaved(plan.rounds(60), instruct, act)
    return Row(
        "instruct with one free check, over act on a text", ours * 1e6, plain * 1e6, "us", "difference", 150
    )
