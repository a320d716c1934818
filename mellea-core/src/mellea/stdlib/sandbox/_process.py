"""A process of a sandbox: fed, read as far as a bound, and stopped in time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

__all__ = ["Finished", "run_process"]

_CHUNK = 1 << 16
_PATIENCE = 5.0
"""Seconds that a process has to stop what it started, before it is killed itself."""


@frozen
class Finished:
    """What came of a process.

    Args:
        code: Its exit code.
        stdout: What it printed, as far as the bound.
        stderr: What it said on the error stream, as far as the bound.
        truncated: Whether either was longer.
        timed_out: Whether it was stopped.
        seconds: How long it ran.
    """

    code: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool
    seconds: float


async def run_process(
    argv: Sequence[str],
    *,
    text: bytes,
    environment: Mapping[str, str] | None,
    seconds: float | None,
    output: int,
    descriptors: Sequence[int] = (),
    stop: Callable[[], None] | None = None,
) -> Finished:
    """Run a process to its end, and return what it said.

    Args:
        argv: The program, and its arguments.
        text: Its standard input.
        environment: Its environment variables; this process's when None.
        seconds: When it is asked to stop.
        output: Bytes that are kept of each stream. The rest is read, and forgotten.
        descriptors: Descriptors that it inherits.
        stop: What else to do to stop it, in a thread.
    """
    pipe = asyncio.subprocess.PIPE
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd="/", pass_fds=tuple(descriptors),
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None  # noqa: S101  they are pipes
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    feeding = asyncio.ensure_future(_feed(process.stdin, text))
    reading = asyncio.gather(_read(process.stdout, output), _read(process.stderr, output))
    timed_out = False
    try:
        done, _ = await asyncio.wait({ending := asyncio.ensure_future(process.wait())}, timeout=seconds)
        timed_out = ending not in done
    finally:
        await asyncio.shield(_stop(process, stop))
        feeding.cancel()
    try:
        (stdout, more), (stderr, even_more) = await asyncio.wait_for(reading, _PATIENCE)
    except TimeoutError:  # something that is not ours to stop holds the streams
        stdout, stderr, more, even_more = b"", b"", True, True
    code = process.returncode if process.returncode is not None else -signal.SIGKILL
    seconds = time.monotonic() - started
    return Finished(code, stdout, stderr, more or even_more, timed_out, seconds)


async def _feed(stream: asyncio.StreamWriter, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(text)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _read(stream: asyncio.StreamReader, most: int) -> tuple[bytes, bool]:
    kept = bytearray()
    more = False
    while chunk := await stream.read(_CHUNK):
        room = most - len(kept)
        kept += chunk[:room]
        more = more or len(chunk) > room
    return bytes(kept), more


async def _stop(process: asyncio.subprocess.Process, stop: Callable[[], None] | None) -> None:
    """Ask a process that still runs to stop, and kill it if it does not."""
    if process.returncode is None:
        if stop is not None:
            await asyncio.to_thread(stop)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
