"""One writer, any number of readers: pieces of a text on their way, in any thread and event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from mellea.core.errors import GenerationCancelledError, MelleaError, UsageError
from mellea.core.event_loop import detached_context, is_blocked_by_caller, running_loop

__all__ = ["Broadcast", "cancelled_error"]


class Broadcast:
    """A growing list of pieces that a task adds to. Each reader gets all of them, from the first one on.

    The first end holds. ``done`` is set last of all, so that whoever sees it sees everything else.

    Args:
        pieces: What is there already.
        done: Whether nothing more comes.
    """

    def __init__(self, pieces: list[str], *, done: bool) -> None:
        self.pieces = pieces
        self.came: list[str] | None = None
        """The pieces as they came, once there is an end that nobody has read up to yet."""
        self.done = done
        self.error: BaseException | None = None
        self.ended = done
        """Whether an end was announced, even if it is not published yet."""
        self._traceback: TracebackType | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._waiters: list[asyncio.Future[None]] = []
        self._waiters_for_end: list[asyncio.Future[None]] = []

    # The writer's side

    def start(self, produce: Coroutine[Any, Any, None], closing: Callable[[BaseException], None]) -> None:
        """Let a coroutine on the running loop write.

        Args:
            produce: Writes, and ends.
            closing: Takes the error of a coroutine that failed, was cancelled, or did not end the text.
        """
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        self._task = self._loop.create_task(produce, context=detached_context())
        self._task.add_done_callback(partial(self._close, closing))

    def _close(self, closing: Callable[[BaseException], None], task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if not self.ended:
            closing(error or cancelled_error())
        self.writer_left(self.error)
        self._task = self._loop = None  # a kept text must not keep the loop, and with it the loop's clients

    def writer_left(self, error: BaseException | None) -> None:
        """Take note that nobody writes any more, on the writer's loop.

        Args:
            error: Why, if the text is not complete and that is known.
        """

    def push(self, piece: str) -> None:
        """Add a piece."""
        with self._lock:
            self.pieces.append(piece)
            waiters, self._waiters = self._waiters, []
        _wake(waiters)

    def end(self, error: BaseException | None, before: Callable[[], None]) -> None:
        """End the text. Nothing happens if it has ended.

        Args:
            error: What every reader gets; None for a text that is complete.
            before: Called before anybody sees the end.
        """
        with self._lock:
            if self.ended:
                return
            self.ended = True
        try:
            if error is not None:
                self.error, self._traceback = error, error.__traceback__
            before()
        finally:
            self.done = True
            with self._lock:
                waiters = [*self._waiters, *self._waiters_for_end]
                self._waiters, self._waiters_for_end = [], []
            _wake(waiters)

    async def stop(self, end: Callable[[BaseException], None], error: BaseException | None = None) -> None:
        """End with an error, and wait until the writer's work has ended too."""
        task, loop = self._task, self._loop
        end(error or cancelled_error())
        if task is None or loop is None or loop.is_closed():
            return
        if loop is asyncio.get_running_loop():
            await _stop_task(task)
        elif loop.is_running() and not is_blocked_by_caller(loop):
            await asyncio.wait(
                [asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_stop_task(task), loop))]
            )
        else:
            loop.call_soon_threadsafe(task.cancel)

    def stop_soon(self, end: Callable[[BaseException], None]) -> None:
        """End with an error, and let the writer's work end by itself. Does nothing to what has ended."""
        task, loop = self._task, self._loop
        if self.ended:
            return
        end(cancelled_error())
        if task is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    # The readers' side

    async def progress(self, seen: int) -> None:
        """Wait until there are more than ``seen`` pieces, or the end.

        Raises:
            UsageError: The writer's loop has ended, or is blocked by this very call.
        """
        with self._lock:
            if self.done or len(self.pieces) > seen:
                return
            waiter = self._new_waiter(self._waiters)
        await waiter

    async def finish(self) -> None:
        """Wait for the end.

        Raises:
            BaseException: What the text ended with; the same error for every reader.
        """
        with self._lock:
            waiter = None if self.done else self._new_waiter(self._waiters_for_end)
        if waiter is not None:
            await waiter
        self.raise_error()

    async def read(self) -> AsyncGenerator[str, None]:
        """Iterate over all pieces, those to come included, and raise what the text ends with."""
        with self._lock:
            pieces, self.came = self.came or self.pieces, None
        read, done = 0, False
        while not done:
            done = self.done  # read before the pieces: another thread may add the last one at any moment
            while read < len(pieces):
                piece, read = pieces[read], read + 1
                yield piece
            if not done:
                await self.progress(read)
        self.raise_error()

    def raise_error(self) -> None:
        """Raise what the text ended with, if that is an error."""
        if self.error is not None:
            raise self.error.with_traceback(self._traceback)

    def _new_waiter(self, waiters: list[asyncio.Future[None]]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if not self.ended:
            self._check_owner(loop)
        waiter: asyncio.Future[None] = loop.create_future()
        waiters.append(waiter)
        return waiter

    def _check_owner(self, here: asyncio.AbstractEventLoop) -> None:
        """Refuse to wait for what can never come."""
        owner = self._loop
        if owner is None or self._pid != os.getpid() or (owner is not here and not owner.is_running()):
            raise UsageError(
                "This output can never be complete: the event loop that produces it does not run "
                "in this process.",
                hint="Await it on the loop where it was started, before that loop ends.",
            )
        if owner is not here and is_blocked_by_caller(owner):
            raise UsageError(
                "This output comes from the event loop that this synchronous call blocks.",
                hint="Await the output first, or use the asynchronous verb.",
            )


def _wake(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        loop = waiter.get_loop()
        if loop is running_loop():
            _resolve(waiter)
            continue
        with suppress(RuntimeError):  # the reader's loop has ended, and the reader with it
            loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def _stop_task(task: asyncio.Task[None]) -> None:
    """Cancel a task of the running loop and wait until it has ended."""
    task.cancel()
    if task is not asyncio.current_task():
        await asyncio.wait([task])


def cancelled_error() -> MelleaError:
    """Return the error of a generation that was stopped."""
    return GenerationCancelledError("The generation was cancelled.", hint="Start it again to get an output.")
