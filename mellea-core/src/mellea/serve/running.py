"""Running the server: its socket, its signals, and connections that do not get on."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mellea.core.errors import UsageError
from mellea.serve.app import App
from mellea.serve.limits import Limits

__all__ = ["Server", "listen", "run", "server_of"]

_log = logging.getLogger("mellea.serve")

_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: A name or an address of this machine.
        port: The port; 0 for any that is free.

    Raises:
        UsageError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: asyncio sends small pieces at once on such sockets alone.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host.strip("[]"), port))
        made.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        made.close()
        why = (getattr(error, "strerror", None) or str(error)).partition(" (")[0]
        raise UsageError(
            f"Nothing can listen at {host}:{port}: {why.lower()}.", hint="Pass another --host or --port."
        ) from error
    return made


async def run(app: Any, listening: socket.socket) -> int | None:
    """Serve until a signal comes, and return that signal.

    The first one ends the server when its requests have ended, or their grace is over; a second one at once.

    Args:
        app: The application; an ``App`` is told to stop.
        listening: What clients connect to.
    """
    server = server_of(app)
    await server.serve(sockets=[listening])
    return server.signal


def server_of(app: Any) -> Server:
    """Return what serves an application; it ends when its ``should_exit`` is set."""
    limits = app.limits if isinstance(app, App) else Limits()
    return Server(
        uvicorn.Config(
            app,
            http=functools.partial(_Connection, limits.receive_seconds),  # type: ignore[arg-type]  # it makes one
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(limits.grace_seconds) + 3,
        )
    )


class Server(uvicorn.Server):
    """Ends on a signal, and leaves it to the caller what that means for the process."""

    signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self.signal = self.signal or sig

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and wait for the requests under way."""
        app = self.config.app
        if isinstance(app, App):
            if app.running:
                _log.warning("Stopping when %d requests have ended; Ctrl-C stops at once.", app.running)
            app.stop()
        await super().shutdown(sockets)


class _Connection(H11Protocol):
    """A connection that is given up where no head of a request comes, or nobody reads the answer."""

    def __init__(
        self, seconds: float, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        super().__init__(config, server_state, {**app_state, "abort": self._abort}, _loop)
        self._seconds = seconds
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if left := self.transport.get_write_buffer_size():
            self.loop.call_later(self._seconds, self._look, left)

    def _look(self, before: int) -> None:
        """Give the connection up if nothing of an answer was read for a while."""
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self._abort()
        elif left:
            self.loop.call_later(self._seconds, self._look, left)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self._seconds, self._abort)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
