"""Running lanes side by side, and hearing of what they bring as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, Self, TypeVar

__all__ = ["Lanes"]

T = TypeVar("T")


class Lanes(Generic[T]):
    """Asynchronous generators that run side by side.

    Iterating gives what they yield, in the order in which it comes.

    To be entered: leaving the block stops every lane that still runs and waits until it has. An error in a
    lane is raised to the reader, in its turn.

    Args:
        lane: Makes a lane of its number.
        number: How many lanes there are.
        at_once: How many of them run at the same time.
    """

    def __init__(self, lane: Callable[[int], AsyncGenerator[T, None]], number: int, at_once: int) -> None:
        self._lane = lane
        self._numbers = iter(range(number))
        self._running = min(number, at_once)
        self._arrived: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._running)]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while self._running:
            arrived = await self._arrived.get()
            if arrived is None:
                self._running -= 1
            elif isinstance(arrived, Exception):
                raise arrived
            else:
                return arrived[0]
        raise StopAsyncIteration

    def unread(self) -> list[T]:
        """Return what has come in, and was not read, before the lanes were stopped."""
        waiting = [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]
        return [arrived[0] for arrived in waiting if isinstance(arrived, tuple)]

    async def _run(self) -> None:
        """Run one lane after the other until there is none left."""
        try:
            for number in self._numbers:
                async with aclosing(self._lane(number)) as lane:
                    async for item in lane:
                        self._arrived.put_nowait((item,))
        except Exception as error:  # noqa: BLE001  the reader raises it
            self._arrived.put_nowait(error)
        finally:
            self._arrived.put_nowait(None)
