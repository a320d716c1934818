"""What a reader of a checked stream is told, as frozen values."""

from __future__ import annotations

import time

from attrs import field, frozen

from mellea.core.requirement import PartialValidationResult, ValidationResult

__all__ = [
    "ChunkEvent",
    "CompletedEvent",
    "ErrorEvent",
    "FullValidationEvent",
    "QuickCheckEvent",
    "RetryEvent",
    "StreamEvent",
    "StreamingDoneEvent",
]


@frozen(kw_only=True)
class StreamEvent:
    """Something that happened in a stream.

    Args:
        timestamp: When, in seconds since the epoch.
    """

    timestamp: float = field(factory=time.time, eq=False, repr=False)


@frozen
class ChunkEvent(StreamEvent):
    """A chunk that has passed the checks of its stream.

    Args:
        text: The chunk, verbatim.
        chunk_index: Its number in its attempt, from 0.
        attempt: The attempt, from 1.
    """

    text: str
    chunk_index: int
    attempt: int


@frozen
class QuickCheckEvent(StreamEvent):
    """What the requirements say of a chunk, before it is handed on.

    Args:
        chunk_index: The chunk's number in its attempt, from 0.
        attempt: The attempt, from 1.
        passed: Whether it is handed on; if not, the attempt is stopped.
        results: What each requirement says, in their order.
    """

    chunk_index: int
    attempt: int
    passed: bool
    results: tuple[PartialValidationResult, ...]


@frozen
class StreamingDoneEvent(StreamEvent):
    """The model's text has come to its end.

    Args:
        attempt: The attempt, from 1.
        full_text: Its whole text.
    """

    attempt: int
    full_text: str


@frozen
class FullValidationEvent(StreamEvent):
    """What the requirements say of the whole text.

    Args:
        attempt: The attempt, from 1.
        passed: Whether the text can be read as its format, and every requirement is met.
        results: What each requirement says, in their order.
    """

    attempt: int
    passed: bool
    results: tuple[ValidationResult, ...]


@frozen
class RetryEvent(StreamEvent):
    """Everything that was handed on of an attempt is withdrawn; another attempt begins.

    Args:
        attempt: The attempt that is withdrawn, from 1.
        reason: Why it failed.
    """

    attempt: int
    reason: str


@frozen
class CompletedEvent(StreamEvent):
    """The stream is over. Always the last event, unless there was an error.

    Args:
        success: Whether the last attempt came to its end and meets everything.
        full_text: What was handed on of the last attempt.
        attempts_used: How many attempts were made.
    """

    success: bool
    full_text: str
    attempts_used: int


@frozen
class ErrorEvent(StreamEvent):
    """The stream ended with an error, which is raised after this event.

    Args:
        exception_type: The name of its class.
        detail: What it says.
    """

    exception_type: str
    detail: str
