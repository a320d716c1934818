"""How many requests are under way at a time: as many as allowed, until the provider says less.

Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP does: what the provider refuses
for its rate halves the number, once for all that was under way; each round of answers raises it by one.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from time import monotonic

from mellea.core.errors import GenerationCancelledError
from mellea.core.time_limits import waiting
from mellea.mapping.turns import Turns

__all__ = ["Gate", "StoppedError"]

_FIRST_PAUSE, _LAST_PAUSE = 1.0, 30.0
"""Seconds, where a provider does not say how long to wait; each in a row is twice as long."""


class StoppedError(GenerationCancelledError):
    """A request was not sent, because everything is about to end."""


class Gate:
    """Lets requests through, of any threads and event loops: ``async with`` it, for each.

    Args:
        most: How many at the same time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        """How many are let through now."""
        self.answered = False
        """Whether the provider has answered by now."""
        self._inside = 0
        self._round = 0
        self._opens = 0.0
        self._pause = _FIRST_PAUSE
        self._stopped = False
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._lock = threading.Lock()
        self._turns = Turns()

    async def __aenter__(self) -> int:
        """Wait until a request may be sent, which counts until the block ends; return the round.

        Raises:
            StoppedError: Nothing is sent any more.
        """
        begun = self._enter()
        if begun is None:
            with waiting():
                begun = await self._wait()
        return begun

    async def __aexit__(self, *exc: object) -> None:
        self._leave()

    async def turn(self) -> None:
        """Wait with an answer until it is its row's turn to go on, which takes milliseconds."""
        await self._turns.take()

    def _enter(self) -> int | None:
        with self._lock:
            if self._stopped:
                raise StoppedError("Nothing is sent any more.", hint="Run it again to go on.")
            if self._waiting or not self._is_open():
                return None
            self._inside += 1
            return self._round

    def _is_open(self) -> bool:
        return self._inside < max(int(self.limit), 1) and monotonic() >= self._opens

    async def _wait(self) -> int:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[int] = loop.create_future()
        with self._lock:
            self._waiting.append(turn)
            left = self._opens - monotonic()
        if left > 0:
            loop.call_later(left, self._wake)
        else:
            self._wake()
        try:
            begun = await turn
        except BaseException:
            with self._lock:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:  # its turn had come
                    self._inside -= 1
            self._wake()
            raise
        if self._stopped:
            self._leave()
            raise StoppedError("Nothing is sent any more.", hint="Run it again to go on.")
        return begun

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        """Let in whoever may come in."""
        with self._lock:
            while self._waiting and (self._stopped or self._is_open()):
                turn = self._waiting.popleft()
                self._inside += 1
                try:
                    turn.get_loop().call_soon_threadsafe(_settle, turn, self._round)
                except RuntimeError:  # its loop is closed: nobody waits there any more
                    self._inside -= 1

    def went_well(self) -> None:
        """Take note of an answer."""
        self.answered = True
        if self.limit < self.most:
            with self._lock:
                self.limit = min(self.most, self.limit + 1 / self.limit)
                self._pause = _FIRST_PAUSE

    def slow_down(self, begun: int, seconds: float | None) -> None:
        """Take note that the provider refused a request for its rate: all wait, and then fewer are sent.

        Args:
            begun: The round that it was let in; what was under way at the same time counts once.
            seconds: How long the provider wants to be left alone; None if it does not say.
        """
        with self._lock:
            if begun == self._round:
                self._round += 1
                self.limit = max(1.0, min(self.limit, self._inside) / 2)
                if seconds is None:
                    seconds, self._pause = self._pause, min(2 * self._pause, _LAST_PAUSE)
            self._opens = max(self._opens, monotonic() + (seconds or 0.0))
            left = self._opens - monotonic()
        asyncio.get_running_loop().call_later(max(left, 0), self._wake)

    def stop(self) -> None:
        """Let nobody in any more; those inside may end."""
        with self._lock:
            self._stopped = True
        self._wake()


def _settle(turn: asyncio.Future[int], begun: int) -> None:
    if not turn.done():
        turn.set_result(begun)
