"""Answers that come together, one group after the other.

An event loop lets all that are ready take one step each, in turn. A hundred rows whose answers come together
so come to their next requests together, after the work of all of them: the provider has nothing to do
meanwhile, and then all wait for it, a convoy (Blasgen, Gray, Mitoma and Price 1979). In groups the first rows
ask again while the last ones are at work.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Turns"]

_GROUP = 16
"""Rows that go on together."""
_STEPS = 8
"""Of the loop, in which a row comes from its answer to its next request, or to what else it waits for."""


class Turns:
    """Lets rows go on in groups; those of another loop than the first one's at once."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._places = 0
        self._steps = 0

    async def take(self) -> None:
        """Wait for a turn."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if loop is not self._loop:
            return
        if not self._steps:
            self._begin(loop)
        if self._places:
            self._places -= 1
        else:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a group with those who wait."""
        self._steps, self._places = _STEPS, _GROUP
        while self._waiting and self._places:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled
                turn.set_result(None)
                self._places -= 1
        self._step(loop)

    def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._steps:
            self._steps -= 1
            loop.call_soon(self._step, loop)
        elif self._waiting:
            self._begin(loop)
