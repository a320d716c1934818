"""What is read from a history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mellea.core.response import Chunk, Completion, Usage

__all__ = [
    "FoundText",
    "RecordedCall",
    "RecordedDraw",
    "RecordedRequest",
    "RecordedRow",
    "RecordedSession",
]


@frozen
class RecordedSession:
    """A session.

    Args:
        id: Its id.
        started: When it began, in seconds since 1970.
        ended: When it was closed; None if it never was.
        backend: The provider.
        model: The model.
        program: The file that was run.
        process: The process.
        host: The machine.
        release: The version of Mellea.
        error: What ended its block, if that was an error.
        calls: How many calls it made.
    """

    id: str
    started: float
    ended: float | None
    backend: str | None
    model: str | None
    program: str | None
    process: int | None
    host: str | None
    release: str | None
    error: str | None
    calls: int


@frozen
class RecordedCall:
    """A call of a verb.

    Args:
        number: Its number in the file.
        session: The session's id.
        started: When it began, in seconds since 1970.
        seconds: How long it took; None if it never ended.
        kind: The class of what was asked.
        asked: What was asked, in words.
        strategy: How attempts were made.
        outcome: ``met``, ``not met``, ``answered`` where nothing was checked, ``error``, ``cancelled``; None
            if it never ended.
        why: Why its answer was chosen.
        answer: The answer.
        error: What it raised.
        attempts: How many attempts were made.
        requests: How many requests were sent, those of judges included.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
    """

    number: int
    session: str | None
    started: float
    seconds: float | None
    kind: str | None
    asked: str | None
    strategy: str | None
    outcome: str | None
    why: str | None
    answer: str | None
    error: str | None
    attempts: int
    requests: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens


@frozen
class RecordedRequest:
    """A request to a model, and what it answered.

    Args:
        key: What names the request; see ``mellea.core.request_key``.
        sample: Which of a session's answers to it this is, from 0; None if it failed.
        call: The number of its call.
        kind: ``chat`` or ``completion``.
        provider: The provider.
        model: The model.
        request: The request as JSON values.
        answer: The answer; None if it failed.
        usage: Tokens that it took.
        started: When it was sent, in seconds since 1970.
        seconds: How long it took.
        error: The class and the words of the error.
    """

    key: str
    sample: int | None
    call: int | None
    kind: str
    provider: str
    model: str
    request: Mapping[str, Any]
    answer: tuple[Chunk | Completion, ...] | None
    usage: Usage
    started: float
    seconds: float
    error: Mapping[str, Any] | None


@frozen
class RecordedDraw:
    """An answer that was paid for a row of data.

    Args:
        key: What names its request; see ``mellea.core.request_key``.
        draw: Which of the row's answers to that it is, from 0; None once the row draws anew.
        answer: The answer.
        usage: Tokens that it took.
        cost: US dollars that it took; None if nobody knows.
    """

    key: str
    draw: int | None
    answer: tuple[Chunk | Completion, ...]
    usage: Usage
    cost: float | None


@frozen
class RecordedRow:
    """What came of a row of data.

    Args:
        trial: Which trial it was, from 0.
        success: Whether it has a result, and no error; None where it is under way.
        result: What came of it, as JSON values.
    """

    trial: int
    success: bool | None
    result: Any


@frozen
class FoundText:
    """A text that was searched for.

    Args:
        call: The number of the call that sent or got it first.
        session: The id of that call's session.
        started: When that call began, in seconds since 1970.
        role: Who said it.
        text: The text.
    """

    call: int | None
    session: str | None
    started: float | None
    role: str
    text: str
