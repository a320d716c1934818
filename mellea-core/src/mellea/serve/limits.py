"""What a server allows: how large, how long, how many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import field, frozen, validators

__all__ = ["BusyError", "Gate", "Limits", "Slot"]

_MIB = 1 << 20


@frozen
class Limits:
    """What a server allows.

    Args:
        body_bytes: The size of a request's body.
        seconds: How long a request may take, its wait for its turn included.
        concurrency: How many programs run at a time.
        queue: How many requests may wait for their turn.
        receive_seconds: How long the head of a request may take to come, and its body.
        grace_seconds: How long requests may go on after the server was told to stop.
    """

    body_bytes: int = field(default=16 * _MIB, validator=validators.ge(1))
    seconds: float = field(default=600.0, validator=validators.gt(0))
    concurrency: int = field(default=64, validator=validators.ge(1))
    queue: int = field(default=256, validator=validators.ge(0))
    receive_seconds: float = field(default=30.0, validator=validators.gt(0))
    grace_seconds: float = field(default=10.0, validator=validators.ge(0))


class BusyError(Exception):
    """As many requests run and wait as may."""


class Slot:
    """A turn of a request. It lasts until the request ends and what works for it in threads does."""

    def __init__(self) -> None:
        self._work: set[asyncio.Future[Any]] = set()

    def hold(self, work: asyncio.Future[Any]) -> None:
        """Let the turn last until some work ends, even if nobody waits for that any more."""
        self._work.add(work)
        work.add_done_callback(_looked_at)  # its error is nobody's any more if its client has left

    def when_free(self, callback: Any) -> None:
        """Call back as soon as all work has ended."""
        left = [work for work in self._work if not work.done()]
        if not left:
            callback()
        for work in left:
            work.add_done_callback(lambda _: self._ended(callback))

    def _ended(self, callback: Any) -> None:
        if all(work.done() for work in self._work) and self._work:
            self._work.clear()
            callback()


def _looked_at(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()


class Gate:
    """Lets so many requests run at a time, and so many wait.

    Args:
        limits: How many.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.queue
        self._turns = asyncio.Semaphore(limits.concurrency)
        self.waiting = 0
        self.running = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Slot]:
        """Wait for a turn, and give it back after the block.

        Raises:
            BusyError: Too many wait already.
        """
        if self._turns.locked():
            if self.waiting >= self._most:
                raise BusyError
            self.waiting += 1
            try:
                await self._turns.acquire()
            finally:
                self.waiting -= 1
        else:
            await self._turns.acquire()
        self.running += 1
        slot = Slot()
        try:
            yield slot
        finally:
            slot.when_free(self._free)

    def _free(self) -> None:
        self.running -= 1
        self._turns.release()
