"""What streaming costs: the wait for the first piece, and each piece after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
from openai import AsyncOpenAI, OpenAI

from benchmarks.measure import Plan, ainterleaved, interleaved
from benchmarks.server import Server, running_server
from benchmarks.table import Row
from mellea import start_session

__all__ = ["rows"]

_BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
_PIECES = 2000


def rows(plan: Plan) -> Iterator[Row]:
    """Measure both, and the pieces of a synchronous stream too."""
    with running_server() as server:
        yield asyncio.run(_first_piece(plan, server))
        yield asyncio.run(_each_piece(plan, server))
        yield _each_piece_sync(plan, server)


async def _first_piece(plan: Plan, server: Server) -> Row:
    url = server.base_url(delay_ms=10, pieces=3)
    async with (
        start_session("openai", model_id="m", base_url=url, api_key="k") as session,
        aiohttp.ClientSession() as http,
    ):

        async def ours() -> float:
            start, first = time.perf_counter(), 0.0
            async for _ in await session.astream_chat("hi"):
                first = first or time.perf_counter() - start
            return first

        async def bare() -> float:
            start, first = time.perf_counter(), 0.0
            async with http.post(f"{url}/chat/completions", json=_BODY) as answer:
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        first = first or time.perf_counter() - start
            return first

        mine, theirs = await ainterleaved(plan.rounds(60), ours, bare)
    return Row("first piece of a stream, over bare aiohttp", mine * 1e3, theirs * 1e3, "ms", "difference", 2)


async def _each_piece(plan: Plan, server: Server) -> Row:
    url = server.base_url(pieces=_PIECES)
    async with (
        start_session("openai", model_id="m", base_url=url, api_key="k") as session,
        AsyncOpenAI(base_url=url, api_key="k") as sdk,
    ):

        async def ours() -> float:
            start = time.perf_counter()
            async for _ in await session.astream_chat("hi"):
                pass
            return (time.perf_counter() - start) / _PIECES

        async def bare() -> float:
            start = time.perf_counter()
            async for _ in await sdk.chat.completions.create(**_BODY):
                pass
            return (time.perf_counter() - start) / _PIECES

        mine, theirs = await ainterleaved(plan.rounds(12), ours, bare)
    return Row("each piece of a stream, asynchronous", mine * 1e6, theirs * 1e6, "us", bound=1.2)


def _each_piece_sync(plan: Plan, server: Server) -> Row:
    url = server.base_url(pieces=_PIECES)
    with (
        start_session("openai", model_id="m", base_url=url, api_key="k") as session,
        OpenAI(base_url=url, api_key="k") as sdk,
    ):

        def ours() -> float:
            start = time.perf_counter()
            for _ in session.stream_chat("hi"):
                pass
            return (time.perf_counter() - start) / _PIECES

        def bare() -> float:
            start = time.perf_counter()
            for _ in sdk.chat.completions.create(**_BODY):
                pass
            return (time.perf_counter() - start) / _PIECES

        mine, theirs = interleaved(plan.rounds(12), ours, bare)
    return Row("each piece of a stream, synchronous", mine * 1e6, theirs * 1e6, "us", bound=1.2)
