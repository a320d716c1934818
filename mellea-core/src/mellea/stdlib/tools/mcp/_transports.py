"""The ways to an MCP server, with bounds that the package's own lack.

The package's transport for programs joins what it has read anew with every piece (a result of 50 MB takes
minutes), lets a server's error stream through to the terminal, and tells nobody that the program has ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Protocol

import anyio
import httpx2
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from anyio.lowlevel import checkpoint
from mcp.client import Transport
from mcp.client.sse import sse_client
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

__all__ = ["LONGEST", "Watcher", "transport_to", "unheard"]

LONGEST = 16 << 20
"""The longest message that is read of a server, in bytes."""
unheard: ContextVar[list[str] | None] = ContextVar("mellea_mcp_unheard", default=None)
"""Where a call is told that nobody has read its request, which is sent in the context of its caller."""
_PATIENCE = 2.0
"""Seconds that a program has to end, after its input has, and after it was asked to."""
logging.getLogger("mcp").addHandler(logging.NullHandler())  # what it tells of, our errors do
_PIPE = asyncio.subprocess.PIPE


class Watcher(Protocol):
    """Who is told what becomes of a server."""

    def ended(self, fault: str | None = None) -> None:
        """Note that it says nothing more, and why."""

    def heard(self, words: bytes) -> None:
        """Note what it says on its error stream."""


def transport_to(connection: Mapping[str, Any], watcher: Watcher) -> Transport:
    """Return the way to a server, to be entered and left in one task."""
    way = {"stdio": _stdio, "streamable_http": _http, "sse": _sse}[connection["transport"]]
    return way(connection, watcher)


@asynccontextmanager
async def _stdio(connection: Mapping[str, Any], watcher: Watcher) -> AsyncIterator[tuple[_Lines, _Input]]:
    process = await asyncio.create_subprocess_exec(
        connection["command"], *connection.get("args", ()), stdin=_PIPE, stdout=_PIPE, stderr=_PIPE,
        env={**get_default_environment(), **connection.get("env", {})}, limit=LONGEST, start_new_session=True,
    )  # fmt: skip
    listening = asyncio.create_task(_listen(process, watcher))
    try:
        yield _Lines(process, watcher), _Input(process)
    finally:
        with anyio.CancelScope(shield=True):
            watcher.ended(await _end(process))
            await asyncio.wait([listening], timeout=0.5)
        listening.cancel()


class _Lines(ObjectReceiveStream[SessionMessage | Exception]):
    """The messages of a program's output; whatever else it prints is passed over."""

    def __init__(self, process: asyncio.subprocess.Process, watcher: Watcher) -> None:
        self._process, self._watcher = process, watcher

    async def receive(self) -> SessionMessage | Exception:
        fault = None
        while self._process.stdout is not None:
            await checkpoint()  # a flood may not keep the loop from everybody else
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                fault = f"it sent a message of more than {LONGEST:,} bytes"
                break
            except ConnectionError:
                break
            if not line:
                break
            with suppress(ValueError):
                text = line.decode("utf-8", "replace")
                return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))
        self._watcher.ended(fault)
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        """Leave the program's output to whoever ends it."""


class _Input(ObjectSendStream[SessionMessage]):
    """A program's input."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._stdin = process.stdin

    async def send(self, item: SessionMessage) -> None:
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        if self._stdin is None:
            raise anyio.ClosedResourceError
        if not self._stdin.is_closing():
            self._stdin.write(text.encode() + b"\n")
        if self._stdin.is_closing():  # also when it was that write that found nobody to read it
            _note_unheard("has ended")
            raise anyio.BrokenResourceError
        try:
            await self._stdin.drain()
        except ConnectionError:
            raise anyio.BrokenResourceError from None

    async def aclose(self) -> None:
        if self._stdin is not None:
            self._stdin.close()


def _note_unheard(why: str) -> None:
    told = unheard.get()
    if told is not None:
        told.append(why)


async def _listen(process: asyncio.subprocess.Process, watcher: Watcher) -> None:
    while process.stderr is not None and (words := await process.stderr.read(1 << 16)):
        watcher.heard(words)


async def _end(process: asyncio.subprocess.Process) -> str | None:
    """End a program and all that it has started; return how it has ended, if it did so by itself."""
    loop = asyncio.get_running_loop()
    told = None
    try:
        if process.stdin is not None:
            process.stdin.close()
        for force in (None, False, True):
            if force is not None:
                _signal(process, force=force)
            deadline = loop.time() + _PATIENCE
            # Process.wait() also waits for pipes, which what the program has started may hold open.
            while process.returncode is None and loop.time() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            if process.returncode is not None:
                code = process.returncode
                shown = f"code {code}" if code >= 0 else f"the signal {signal.Signals(-code).name}"
                told = f"it ended with {shown}" if force is None else None
                break
    finally:
        _signal(process, force=True)
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  nothing public closes the pipes
    return told


def _signal(process: asyncio.subprocess.Process, *, force: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)


@asynccontextmanager
async def _http(connection: Mapping[str, Any], watcher: Watcher) -> AsyncIterator[Any]:
    async with (
        _web_client(connection, watcher) as client,
        streamable_http_client(connection["url"], http_client=client, max_sse_event_size=LONGEST) as streams,
    ):
        yield streams


@asynccontextmanager
async def _sse(connection: Mapping[str, Any], watcher: Watcher) -> AsyncIterator[Any]:
    async with sse_client(
        connection["url"], httpx_client_factory=lambda *_, **__: _web_client(connection, watcher)
    ) as streams:
        yield streams


def _web_client(connection: Mapping[str, Any], watcher: Watcher) -> httpx2.AsyncClient:
    async def bound(response: httpx2.Response) -> None:
        """Bound what is read of an answer; of a stream of events the transport bounds each."""
        if response.status_code >= 400:
            watcher.heard(f"HTTP {response.status_code}. ".encode())
        if response.status_code == 404 and "mcp-session-id" in response.request.headers:
            _note_unheard("has forgotten its session")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.RemoteProtocolError("The answer is compressed, which was not asked for.")
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _Bounded(response.stream)

    timeout = httpx2.Timeout(
        connection.get("connect_timeout", 30.0), read=connection.get("read_timeout", 300.0)
    )
    headers = {**connection.get("headers", {}), "Accept-Encoding": "identity"}
    return httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks={"response": [bound]})


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > LONGEST:
                raise httpx2.StreamError(f"The answer has more than {LONGEST:,} bytes.")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
