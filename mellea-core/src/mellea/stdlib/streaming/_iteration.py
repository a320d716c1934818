"""Values that come one after the other, for asynchronous and synchronous programs alike."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

from mellea.core.event_loop import run_sync

__all__ = ["SyncOrAsyncIterable"]

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
