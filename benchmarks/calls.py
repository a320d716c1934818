"""What a chat call costs, alone, side by side with others, and late in a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from ollama import Client
from openai import AsyncOpenAI, OpenAI

from benchmarks.measure import Plan, ainterleaved, atimed, crowd, interleaved, timed
from benchmarks.server import Server, running_server
from benchmarks.table import Row
from mellea import ChatContext, Context, MelleaSession, Message, ModelOutputThunk, start_session

__all__ = ["rows"]

_HI: list[Any] = [{"role": "user", "content": "hi"}]
_TURNS = 200
_ONE_TOKEN_MS = 20
"""What a one-token answer of a real Ollama server takes, by its own figures, for SmolLM2-135M on a CPU."""
_TEXT = "A sentence of about the length that people write in a chat. " * 3


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    with running_server() as server:
        yield asyncio.run(_asynchronous(plan, server))
        yield _synchronous(plan, server)
        yield asyncio.run(_many(plan, server, calls=256, concurrency=256, delay_ms=100, bound=0.6))
        yield asyncio.run(_many(plan, server, calls=2000, concurrency=128, delay_ms=0, bound=0.7))
        yield asyncio.run(_late_turn(plan, server))
        yield _ollama(plan, server, delay_ms=0, bound=1.2)
        yield _ollama(plan, server, delay_ms=_ONE_TOKEN_MS, bound=1.03)


def _session(url: str, ctx: Context | None = None) -> MelleaSession:
    return start_session("openai", model_id="m", base_url=url, api_key="k", ctx=ctx)


async def _asynchronous(plan: Plan, server: Server) -> Row:
    url = server.base_url()
    async with _session(url) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:
        ours, bare = await ainterleaved(
            plan.rounds(40),
            atimed(lambda: session.achat("hi"), 25),
            atimed(lambda: sdk.chat.completions.create(model="m", messages=_HI), 25),
        )
    return Row("chat call, asynchronous", ours * 1e6, bare * 1e6, "us", bound=1.0)


def _synchronous(plan: Plan, server: Server) -> Row:
    url = server.base_url()
    with _session(url) as session, OpenAI(base_url=url, api_key="k") as sdk:
        ours, bare = interleaved(
            plan.rounds(40),
            timed(lambda: session.chat("hi"), 25),
            timed(lambda: sdk.chat.completions.create(model="m", messages=_HI), 25),
        )
    return Row("chat call, synchronous", ours * 1e6, bare * 1e6, "us", bound=1.1)


async def _many(
    plan: Plan, server: Server, *, calls: int, concurrency: int, delay_ms: int, bound: float
) -> Row:
    url = server.base_url(delay_ms=delay_ms)
    async with _session(url) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:
        ours, bare = await ainterleaved(
            plan.rounds(5),
            crowd(lambda: session.achat("hi"), calls, concurrency),
            crowd(lambda: sdk.chat.completions.create(model="m", messages=_HI), calls, concurrency),
        )
    name = f"{calls:,} calls, {concurrency} at a time, {delay_ms} ms each"
    return Row(name, ours * 1e3, bare * 1e3, "ms", bound=bound)


async def _late_turn(plan: Plan, server: Server) -> Row:
    url = server.base_url()
    ctx: Context = ChatContext()
    messages: list[Any] = []
    for _ in range(_TURNS - 1):
        ctx = ctx.add(Message("user", _TEXT)).add(ModelOutputThunk(_TEXT))
        messages += [{"role": "user", "content": _TEXT}, {"role": "assistant", "content": _TEXT}]
    messages += _HI
    async with _session(url, ctx) as session, AsyncOpenAI(base_url=url, api_key="k") as sdk:

        async def turn() -> None:
            session.ctx = ctx
            await session.achat("hi")

        ours, bare = await ainterleaved(
            plan.rounds(12),
            atimed(turn, 5),
            atimed(lambda: sdk.chat.completions.create(model="m", messages=messages), 5),
        )
    return Row(f"turn {_TURNS} of a chat ({len(messages)} messages)", ours * 1e3, bare * 1e3, "ms", bound=0.2)


def _ollama(plan: Plan, server: Server, *, delay_ms: int, bound: float) -> Row:
    url = server.ollama_url(delay_ms=delay_ms)
    with start_session("ollama", model_id="m", base_url=url) as session:
        client = Client(url)
        ours, bare = interleaved(
            plan.rounds(40),
            timed(lambda: session.chat("hi"), 25),
            timed(lambda: client.chat("m", _HI), 25),
        )
    name = f"Ollama chat call, synchronous, {delay_ms} ms"
    return Row(name, ours * 1e6, bare * 1e6, "us", bound=bound)
