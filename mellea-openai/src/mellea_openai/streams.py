"""A stream of the ``openai`` SDK whose events Mellea's own reader reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from attrs import define, field, frozen
from openai import AsyncStream

from mellea.core.event_reader import DONE, Event, EventReader

__all__ = ["EventStream"]


class EventStream(AsyncStream[object]):
    """A stream which opens, closes and fails as the SDK's does."""

    def read_by(self, reader: EventReader) -> EventStream:
        """Let a reader read the events, and return the stream."""
        self._decoder = cast("Any", _Decoder(reader))
        return self


@frozen
class _Read:
    """An event as the SDK expects it, which has been read already."""

    value: Any
    event: str | None = None

    @property
    def data(self) -> str:
        return DONE if self.value is DONE else ""

    def json(self) -> Any:
        return self.value


@frozen
class _Decoder:
    """What the SDK asks for the events in the bytes of a stream."""

    reader: EventReader

    def aiter_bytes(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[_Read]:
        return _Events(aiter(pieces), self.reader)


@define
class _Events:
    """The events one by one; no generator, which would be left to the collector."""

    pieces: AsyncIterator[bytes]
    reader: EventReader
    read: Iterator[Event] = field(factory=lambda: iter(()))
    is_over: bool = False

    def __aiter__(self) -> _Events:
        return self

    async def __anext__(self) -> _Read:
        while (event := next(self.read, None)) is None:
            if self.is_over:
                raise StopAsyncIteration
            piece = await anext(self.pieces, None)
            self.is_over = piece is None
            self.read = self.reader.rest() if piece is None else self.reader.feed(piece)
        return _Read(event.value)
