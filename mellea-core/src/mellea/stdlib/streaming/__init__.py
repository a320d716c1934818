"""Streaming with checks.

A text is cut into parts as it comes, and requirements look at each part before the reader does.
"""

from mellea.core.errors import StreamRestartedError
from mellea.stdlib.streaming._stream import stream
from mellea.stdlib.streaming.event_streamer import EventStreamer
from mellea.stdlib.streaming.events import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
    StreamEvent,
    StreamingDoneEvent,
)
from mellea.stdlib.streaming.streamer import Streamer

__all__ = [
    "ChunkEvent",
    "CompletedEvent",
    "ErrorEvent",
    "EventStreamer",
    "FullValidationEvent",
    "QuickCheckEvent",
    "RetryEvent",
    "StreamEvent",
    "StreamRestartedError",
    "Streamer",
    "StreamingDoneEvent",
    "stream",
]
