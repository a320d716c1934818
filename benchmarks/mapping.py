"""What many rows cost: against a bare HTTP client and the SDK, and as they become more."""

from __future__ import annotations

import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from openai import AsyncOpenAI

from benchmarks.measure import Plan, ainterleaved, crowd
from benchmarks.server import Server, running_server
from benchmarks.table import Row
from mellea import amap, start_session
from mellea.core.price import FREE
from mellea.testing import ScriptedBackend

__all__ = ["rows"]

_ROWS, _AT_ONCE, _DELAY_MS = 2000, 128, 100
_FEW, _MANY = 1000, 100_000
_BOUND = 1.6
"""Times what bare aiohttp takes; the goal is 1.15.

A client alone takes 0.2 ms of the processor for a request, and a row with its call and its journal about 0.9.
Two cores, of which the server takes a part of one, come to 1.2 to 1.4, and to 1.1 or 1.2 without the journal,
whose thread shares the interpreter with the rows.
"""
_HI: list[Any] = [{"role": "user", "content": "hi"}]


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    with running_server() as server:
        yield from asyncio.run(_against_server(plan, server))
    yield from _as_rows_grow(plan)


async def _ask(session: Any, row: Any) -> Any:
    return await session.achat(f"hi {row['n']}")


async def _through(
    number: int, journal: Path | bool, clock: Callable[[], float] = time.perf_counter, **backend: Any
) -> float:
    """Return the seconds that rows take, which are made as they are read, and whose results are dropped."""
    made = ({"n": n} for n in range(number))
    start = clock()
    async for result in amap(
        _ask, made, journal=journal, concurrency=_AT_ONCE, progress=False, model_options={}, **backend
    ):
        assert result.error is None, result.error
    return clock() - start


async def _against_server(plan: Plan, server: Server) -> list[Row]:
    url, ollama = server.base_url(delay_ms=_DELAY_MS), server.ollama_url(delay_ms=_DELAY_MS)
    default = {"backend": "ollama", "model": "m", "base_url": ollama}
    given = {"backend": "openai", "model": "m", "base_url": url, "api_key": "k"}
    with tempfile.TemporaryDirectory() as folder:
        files = (Path(folder, f"{number}.db") for number in range(1000))
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            AsyncOpenAI(base_url=url, api_key="k") as sdk,
            start_session("openai", model_id="m", base_url=url, api_key="k") as session,
        ):

            async def bare() -> None:
                body = {"model": "m", "stream": False, "messages": _HI}
                async with http.post(f"{ollama}/api/chat", json=body) as answer:
                    await answer.json()

            sides: list[Callable[[], Awaitable[float]]] = [
                lambda: _through(_ROWS, next(files), **default),
                lambda: _through(_ROWS, False, **default),
                lambda: _through(_ROWS, next(files), **given),
                lambda: _through(_ROWS, False, **given),
                crowd(lambda: session.achat("hi"), _ROWS, _AT_ONCE),
                crowd(lambda: sdk.chat.completions.create(model="m", messages=_HI), _ROWS, _AT_ONCE),
                crowd(bare, _ROWS, _AT_ONCE),
            ]
            usual, unkept, kept, plain, calls, client, wire = await ainterleaved(plan.rounds(5), *sides)
    name = f"{_ROWS:,} rows, {_AT_ONCE} at a time, {_DELAY_MS} ms each"
    return [
        Row(f"{name}, against bare aiohttp", usual * 1e3, wire * 1e3, "ms", bound=_BOUND),
        Row(f"{name}, without a journal", unkept * 1e3, wire * 1e3, "ms"),
        Row(f"{name}, through openai, against its SDK", kept * 1e3, client * 1e3, "ms", bound=1.15),
        Row(f"{name}, through openai, without a journal", plain * 1e3, client * 1e3, "ms"),
        Row("as many openai calls of one session", calls * 1e3, client * 1e3, "ms"),
    ]


def _as_rows_grow(plan: Plan) -> Iterator[Row]:
    """Compare the processor time of a row among many with that among few, and look at the memory."""
    many = _MANY // 10 if plan.quick else _MANY
    backend = ScriptedBackend("Hello.")
    backend.requests = _Forgetful()
    backend.price = FREE
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_through(_FEW, Path(folder, "warm.db"), backend=backend))
        few = [_few(folder, number, backend) for number in range(4)]
        before = _memory()
        lots = asyncio.run(_through(many, Path(folder, "many.db"), time.process_time, backend=backend))
        grown = _memory() - before
        few += [_few(folder, number, backend) for number in range(4, 8)]  # the machine may be slower by now
    yield Row(
        f"a row among {many:,}, against one among {_FEW:,}",
        lots / many * 1e6,
        statistics.fmean(few) / _FEW * 1e6,
        "us",
        bound=1.1,
        note=f"{grown:.0f} MiB more",
    )


def _few(folder: str, number: int, backend: ScriptedBackend) -> float:
    """Return the seconds of the processor that few rows take."""
    return asyncio.run(_through(_FEW, Path(folder, f"few{number}.db"), time.process_time, backend=backend))


class _Forgetful(list[Any]):
    """The requests of a script that nobody looks at."""

    def append(self, item: Any) -> None:
        """Forget it."""


def _memory() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
