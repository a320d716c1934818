"""A checked stream read by its events, as programs of the 0.8 line read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from mellea.stdlib.streaming.events import StreamEvent
from mellea.stdlib.streaming.streamer import Streamer

__all__ = ["EventStreamer"]


class EventStreamer:
    """Gives the events of a stream, each once; iterating again goes on with the next one.

    What came of it is told by the attributes of the ``Streamer``: ``failed_early``, ``full_text`` ...

    Args:
        streamer: The stream.
    """

    def __init__(self, streamer: Streamer[Any]) -> None:
        self._streamer = streamer
        self._events: AsyncIterator[StreamEvent] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._events is None:
            self._events = aiter(self._streamer.events())
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the generation if it still runs."""
        await self._streamer.aclose()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._streamer, name)
