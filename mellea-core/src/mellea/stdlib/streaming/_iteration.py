"""Values that come one after the other, for asynchronous and synchronous programs alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

from mellea.core.errors import UsageError
from mellea.core.event_loop import Closeable, run_sync

__all__ = ["EventSource", "SyncOrAsyncIterable"]

T = TypeVar("T")


class SyncOrAsyncIterable(Generic[T]):
    """Something to iterate over with ``async for`` or ``for``. Each iteration is a reading of its own.

    Args:
        begin: Begins a reading.
    """

    def __init__(self, begin: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._begin = begin

    def __aiter__(self) -> AsyncIterator[T]:
        return self._begin()

    def __iter__(self) -> Iterator[T]:
        values = self._begin()
        over = object()

        async def next_value() -> T | object:
            return await anext(values, over)

        try:
            while (value := run_sync(next_value(), starts_only=True)) is not over:
                yield value  # type: ignore[misc]  # everything but the mark is a value
        finally:
            run_sync(values.aclose())


class EventSource(Closeable, ABC, Generic[T]):
    """Gives events to any number of readings, each from its own place on. One at a time waits for more."""

    _history: list[T]
    _advancing = False

    @abstractmethod
    async def _advance(self) -> bool:
        """Go on to the next event, and put it into the history; tell whether there was one."""

    async def _read_events(
        self, index: int, of: str, *, last: Callable[[T], bool] = lambda _: False
    ) -> AsyncGenerator[T, None]:
        """Iterate over the events from one on. A reader who leaves before the end closes the source.

        Args:
            index: The first event, by its place in the history.
            of: What is read, for the error.
            last: Tells whether a reading ends with an event.
        """
        refused = over = False
        try:
            while True:
                if index == len(self._history):
                    refused = self._advancing
                    if refused:
                        raise UsageError(
                            f"Somebody else waits for the next event of this {of}.",
                            hint="Read it in one place.",
                        )
                    if not await self._advance():
                        break
                event = self._history[index]
                index += 1
                yield event
                if last(event):
                    break
            over = True
        finally:
            if not (over or refused):
                await self.aclose()
