"""One life of an MCP server: from its start to its end it belongs to one task.

That task alone enters and leaves the package's scopes; calls are tasks of their own. All of them run on one
loop, where no code of the program's does.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar

import anyio
from mcp import Client, Implementation, MCPError
from mcp_types import CONNECTION_CLOSED

from mellea import __version__
from mellea.core.errors import MelleaError, ToolServerConnectionError, ToolServerError
from mellea.core.redaction import redacted, secrets_of_address, secrets_within
from mellea.stdlib.tools.mcp._transports import transport_to, unheard

__all__ = ["Life", "UnheardError"]

T = TypeVar("T")

_LEAVING = 8.0
"""Seconds that a server has to end: its transport ends a program within six."""
_BROKEN_OFF = "SSE stream"
_GONE = ("Connection closed", _BROKEN_OFF)
"""How the package says that no answer can come; servers use its code for errors of their own."""
_AGAIN = "It may have been carried out. The next call starts the server again, or connects anew."
_WORDS = 1000
_living: set[Life] = set()


class UnheardError(ToolServerConnectionError):
    """The server was gone before it could read the call, or knows this client no more."""


class Life:
    """A server that is being started, runs, or has ended.

    Args:
        name: What it is called in errors.
        connection: Where it is.
        before: The life that must end first.
    """

    def __init__(self, name: str, connection: Mapping[str, Any], before: Life | None) -> None:
        self.name = name
        self.client: Client | None = None
        self.over = False
        self.settled = asyncio.Event()
        self._leave = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._connection = connection
        self._fault: str | None = None
        self._words = b""
        _living.add(self)
        # An empty context: a server outlives the call that starts it.
        self.task = asyncio.get_running_loop().create_task(self._live(before), context=Context())
        self.task.add_done_callback(lambda _: _living.discard(self))

    async def _live(self, before: Life | None) -> None:
        limit = self._connection.get("connect_timeout", 30.0)
        try:
            with self._scope as scope:
                scope.deadline = anyio.current_time() + limit
                if before is not None:
                    await asyncio.wait([before.task])
                transport = transport_to(self._connection, self)
                async with Client(transport, cache=None, client_info=_INFO) as self.client:
                    scope.deadline = math.inf
                    self._words = b""  # what it says while it starts is no news later
                    self.settled.set()
                    try:
                        await self._leave.wait()
                    finally:
                        self.over = True
                        scope.deadline = anyio.current_time() + _LEAVING
        except BaseException as error:  # noqa: BLE001  whoever waits for the server is told
            self.ended(_in_words(error))
        finally:
            self.ended()
            self.settled.set()

    def ended(self, fault: str | None = None) -> None:
        """Note that the server says nothing more, and let its task leave."""
        self.over = True
        self._fault = self._fault or fault
        self._leave.set()

    def heard(self, words: bytes) -> None:
        """Keep the end of what the server says on its error stream."""
        self._words = (self._words + words)[-_WORDS:]

    def leave(self) -> None:
        """Let the server end, also while it starts."""
        self.ended()
        if not self.settled.is_set():
            self._scope.cancel()

    async def end(self) -> None:
        """Let the server end, and wait for that, but not for ever."""
        self.leave()
        await asyncio.wait([self.task], timeout=_LEAVING)
        self.task.cancel()

    async def carry_out(self, work: Callable[[Client], Awaitable[T]], doing: str) -> T:
        """Return what a request comes to.

        Args:
            work: Sends it.
            doing: What it is, in words.

        Raises:
            UnheardError: The server has not read the request; it may be made again.
            ToolServerConnectionError: The server went away.
            ToolServerError: The server reports an error, or answers something else than it announced.
        """
        if self.client is None:
            raise await self._lost("could not be started or reached", "Correct its command, address or key.")
        if self.over:
            raise UnheardError(self._told("has ended"))
        why: list[str] = []
        unheard.set(why)
        try:
            return await work(self.client)
        except MelleaError:
            raise
        except MCPError as error:
            if why:
                self.ended()
                raise UnheardError(self._told(why[0])) from error
            gone = error.code == CONNECTION_CLOSED and error.message.startswith(_GONE)
            if self.over or (gone and not error.message.startswith(_BROKEN_OFF)):
                raise await self._lost(f"went away during {doing}", _AGAIN, error.message) from error
            if gone:  # the other calls have streams of their own
                raise ToolServerConnectionError(
                    self._told(f"broke off {doing}", error.message), hint=_AGAIN
                ) from error
            raise ToolServerError(self._told(f"refuses {doing}", error.message)) from error
        except Exception as error:
            if self.over:
                raise await self._lost(f"went away during {doing}", _AGAIN) from error
            said = _in_words(error)
            raise ToolServerError(
                self._told(f"answered {doing} with something else than it announced", said)
            ) from error

    async def _lost(self, what: str, hint: str, why: str | None = None) -> ToolServerConnectionError:
        """Return the error for a server that is gone, with the reason as soon as it is known."""
        self.ended()
        await asyncio.wait([self.task], timeout=1)
        last = " ".join(self._words.decode("utf-8", "replace").split())[-300:]
        return ToolServerConnectionError(self._told(what, self._fault or why, last), hint=hint)

    def _told(self, what: str, why: str | None = None, last: str = "") -> str:
        why = f": {why.rstrip('.')}" if why else ""
        words = f" It last said: {last!r}." if last else ""
        secrets = (*secrets_within(self._connection), *secrets_of_address(self._connection.get("url")))
        return redacted(f"MCP server {self.name!r} {what}{why}.{words}", secrets)


_INFO = Implementation(name="mellea", version=__version__)


def _in_words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = " ".join(str(error).split()).rstrip(".")[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@atexit.register
def _end_all() -> None:
    """End the servers that still run, before their loop does."""
    ending = [asyncio.run_coroutine_threadsafe(life.end(), life.task.get_loop()) for life in _living]
    for end in ending:
        with suppress(Exception):
            end.result(_LEAVING)


os.register_at_fork(after_in_child=_living.clear)  # the parent's
