"""A served program under load: many clients at the machine's rate, some of which do not behave.

The server is ``mellea serve`` in a process of its own, on a scripted backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from attrs import define, field

from benchmarks.measure import Plan
from benchmarks.table import Row

__all__ = ["Load", "rows", "under_load"]

_CLIENTS = 500
_SECONDS, _QUICK_SECONDS = 60.0, 10.0
_MIB = 1 << 20
_PROGRAM = """
from typing import Literal

from mellea import MelleaSession, generative
from mellea.testing import ScriptedBackend

m = MelleaSession(ScriptedBackend(lambda request: ["Hello ", "dear ", "world."]))
m.backend.requests = type("Nothing", (list,), {"append": lambda self, request: None})()


async def serve(input, model_options):
    session = m.clone()
    return await session.aact(input[-1].to_message(), strategy=None, model_options=model_options)
"""
_HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
_RUBBISH = (
    b"\x16\x03\x01\x02\x00 hello\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n",
    b"GET /%00%0d%0a HTTP/1.1\r\nhost: localhost\r\n\r\n",
    _HEAD.encode() + b"content-length: 5\r\n\r\n[[[[[",
)


@define
class Load:
    """What came of a load.

    Args:
        seconds: How long each good request took.
        wrong: Good requests that got no good answer.
        bad: How many clients did not behave.
        grown: MiB of memory that the server had more in the end than after its first third.
        alive: Whether the server lived in the end, and answered.
        wall: How long it took in all.
        cpu: Seconds of the processor that the server took, for good and bad clients.
    """

    seconds: list[float] = field(factory=list)
    wrong: int = 0
    bad: int = 0
    grown: float = 0.0
    alive: bool = False
    wall: float = 0.0
    cpu: float = 0.0

    def slowest(self, percent: float) -> float:
        """Return the milliseconds that all but so many percent of the requests took at most."""
        ranked = sorted(self.seconds)
        return 1000 * ranked[min(len(ranked) - 1, int(len(ranked) * (1 - percent / 100)))]


def rows(plan: Plan) -> Iterator[Row]:
    """Measure a server of a program with 500 clients, one in ten of which does not behave."""
    load = asyncio.run(_measured(_CLIENTS, _QUICK_SECONDS if plan.quick else _SECONDS))
    told = f"{len(load.seconds):,} requests, {load.bad:,} bad clients"
    yield Row("serving: requests a second", len(load.seconds) / load.wall, None, "/s", note=told)
    of_all = 1000 * load.cpu / (len(load.seconds) + load.bad)
    yield Row("serving: processor time of a request", of_all, None, "ms")
    yield Row("serving, 500 clients: half of them", load.slowest(50), None, "ms")
    yield Row("serving, 500 clients: p99", load.slowest(1), None, "ms")
    yield Row("serving: good requests without an answer", load.wrong, 0, "", "difference", 0)
    yield Row("serving: lives in the end", float(load.alive), 1, "", "difference", 0, at_least=True)
    yield Row("serving: memory grown after the first third", load.grown, 0, "MiB", "difference", 20)


async def _measured(clients: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program.py")
        program.write_text(_PROGRAM, encoding="utf-8")
        async with _running(program) as (port, process):
            return await under_load(port, process, clients, seconds)


@asynccontextmanager
async def _running(program: Path) -> AsyncIterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "mellea.cli", "serve", str(program), "--port", "0", "--queue", "1000"]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stderr=log) as process:
        try:
            while b" at " not in (said := os.pread(log.fileno(), 1000, 0)):
                if process.poll() is not None:
                    raise RuntimeError(said.decode())
                await asyncio.sleep(0.05)
            yield int(said.partition(b"127.0.0.1:")[2].partition(b"/")[0]), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


async def under_load(port: int, process: psutil.Process, clients: int, seconds: float) -> Load:
    """Load a server, and return what came of it.

    Args:
        port: Where it listens, on this machine.
        process: Its process.
        clients: How many, each with one request after the other.
        seconds: How long.
    """
    load, started, before = Load(), time.perf_counter(), process.cpu_times()
    end = started + seconds
    memory = asyncio.ensure_future(_growth(process, seconds))
    drawn = random.Random(1)
    await asyncio.gather(
        *(
            _bad_client(port, end, load, drawn.random())
            if number % 10 == 0
            else _client(port, end, load, number)
            for number in range(clients)
        )
    )
    load.wall = time.perf_counter() - started
    load.grown, after = await memory, process.cpu_times()
    load.cpu = after.user + after.system - before.user - before.system
    answered = len(load.seconds)
    await _client(port, 0, load, 1)
    load.alive = len(load.seconds) > answered and process.is_running()
    return load


async def _growth(process: psutil.Process, seconds: float) -> float:
    await asyncio.sleep(seconds / 3)
    before = process.memory_info().rss
    await asyncio.sleep(seconds * 2 / 3)
    return (process.memory_info().rss - before) / _MIB


def _request(stream: bool) -> bytes:
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "stream": stream}).encode()
    return f"{_HEAD}content-length: {len(body)}\r\n\r\n".encode() + body


_WHOLE, _STREAM = _request(False), _request(True)


async def _client(port: int, end: float, load: Load, number: int) -> None:
    """Ask again and again on one connection, and at least once; every third asks for a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    streams = number % 3 == 0
    try:
        while True:
            began = time.perf_counter()
            writer.write(_STREAM if streams else _WHOLE)
            good = await _answered(reader, streams)
            load.seconds.append(time.perf_counter() - began)
            load.wrong += not good
            if time.perf_counter() >= end:
                return
    except (OSError, asyncio.IncompleteReadError):
        load.wrong += 1
    finally:
        await _close(writer)


async def _answered(reader: asyncio.StreamReader, streams: bool) -> bool:
    """Read an answer to its end, and tell whether it is the right one."""
    head = await reader.readuntil(b"\r\n\r\n")
    if streams:
        body = await reader.readuntil(b"0\r\n\r\n")
        return b"world." in body and b"[DONE]" in body
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return b"Hello dear world." in await reader.readexactly(length)


async def _bad_client(port: int, end: float, load: Load, kind: float) -> None:
    """Vanish, send rubbish, or read slowly, again and again."""
    turn = 0
    while time.perf_counter() < end:
        turn += 1
        load.bad += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if kind < 1 / 3:
                writer.write(_STREAM if turn % 2 else _WHOLE[: len(_WHOLE) // 2])
                await asyncio.sleep(0.01)
                writer.transport.abort()
            elif kind < 2 / 3:
                writer.write(_RUBBISH[turn % len(_RUBBISH)])
                async with asyncio.timeout(0.2):
                    await reader.read(1000)
            else:
                writer.write(_STREAM)
                while time.perf_counter() < end and await reader.read(16):
                    await asyncio.sleep(0.02)
        except (OSError, TimeoutError):
            pass
        finally:
            await _close(writer)
        await asyncio.sleep(0.1)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
