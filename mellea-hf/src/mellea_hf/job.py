"""One generation in the engine's thread, as the event loop sees it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from mellea_hf._engine import engine

__all__ = ["Job", "Pieces", "off_loop"]

T = TypeVar("T")

_LONG = 20_000
"""Characters above which tokenising would hold up the event loop for longer than a few milliseconds."""


class Pieces:
    """Pieces of text on their way from the engine's thread to the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, piece: str | None) -> None:
        """Hand a piece over, from any thread; None ends the pieces."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, piece)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (piece := await self._queue.get()) is not None:
            yield piece


class Job:
    """Work handed to the engine, which can be stopped and waited for."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._future: Future[Any] | None = None

    def must_stop(self) -> bool:
        """Tell, in the engine's thread, whether to give up."""
        return self._stop.is_set() or engine.stopping

    def follow(self, future: Future[Any], pieces: Pieces | None = None) -> None:
        """Take over work that was handed in; its end ends the pieces."""
        self._future = future
        self._done = asyncio.wrap_future(self._future)
        if pieces is not None:
            self._future.add_done_callback(lambda _: _end(pieces))

    async def result(self) -> None:
        """Wait for the end of the work.

        Raises:
            Exception: What the work raised.
        """
        # Waiting in this way, a cancelled task leaves the work to `stop`, which waits for its end.
        await asyncio.wait([self._done])
        self._done.result()

    def give_up(self) -> None:
        """Let the work end after its current token, without waiting for it."""
        self._stop.set()

    async def stop(self) -> None:
        """End the work after its current token and wait for that. Does nothing to work that has ended."""
        self._stop.set()
        if self._future is None or self._future.done() or self._future.cancel():
            return
        await asyncio.wait([self._done])
        if not self._done.cancelled():
            self._done.exception()


def _end(pieces: Pieces) -> None:
    # A loop that is closed waits for nothing any more.
    with suppress(RuntimeError):
        pieces.put(None)


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """Return the result of work on a text of that many characters, in a thread if it takes long."""
    return work() if size < _LONG else await asyncio.to_thread(work)
