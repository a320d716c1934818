"""The requests of one row: answered from what the journal has, paid for and kept where it has nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from attrs import frozen

from mellea.core._failures import translated
from mellea.core.answer_json import answer_to_json
from mellea.core.billing import Spent, answered_by, cost_of
from mellea.core.errors import RateLimitError
from mellea.core.hooks import current_scope
from mellea.core.model_api import ModelAPI
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_key import key_of, named_request
from mellea.core.response import Chunk, Completion, Usage, total_usage
from mellea.core.time_limits import waiting
from mellea.history.records import RecordedDraw
from mellea.history.telling import secrets_behind
from mellea.mapping.gate import Gate, StoppedError

__all__ = ["Draw", "RowAnswers", "Sink"]

_LONGEST_WAIT = 60.0
"""Seconds; a provider that wants to be left alone for longer gets its refusal through to the program."""
_MOST_REFUSALS = 20
"""Of one request, for its rate."""


@frozen
class Draw:
    """An answer, or the failure, of a request that was made for a row.

    Args:
        row: What names the row.
        key: What names the request.
        draw: Which of the row's answers to it this is, from 0.
        request: The request, as JSON values.
        answers: The answer, as JSON values; None if it failed.
        call: The id of the verb's call.
        about: What else is known, by column.
        cost: US dollars; None if nobody knows.
        error: What failed, as JSON values.
        secrets: What is not to be kept.
    """

    row: bytes
    key: str
    draw: int
    request: dict[str, Any]
    answers: list[dict[str, Any]] | None
    call: str
    about: dict[str, Any]
    cost: float | None
    error: dict[str, Any] | None
    secrets: tuple[str, ...]


class Sink(Protocol):
    """What keeps what happens to rows."""

    def keep_draw(self, draw: Draw) -> None:
        """Keep an answer."""
        ...

    def keep_call(self, call: dict[str, Any]) -> Awaitable[None] | None:
        """Keep the call of a verb, with its attempts and verdicts; return what to wait for, if any."""
        ...

    async def settled(self) -> None:
        """Return once what was to be kept by now is kept."""
        ...


class RowAnswers:
    """What the requests of a row go through; a ``core.journal.Journal``.

    The row goes on with an answer while that is being kept; its next request is sent once it is kept.

    Args:
        row: What names the row.
        known: What the row was answered before.
        sink: What keeps its answers.
        gate: What they wait for.
    """

    def __init__(self, row: bytes, known: Iterable[RecordedDraw], sink: Sink, gate: Gate) -> None:
        self._row, self._sink, self._gate = row, sink, gate
        self._handed = self._settled = 0
        self._known: dict[tuple[str, int], RecordedDraw] = {}
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._earlier: Spent | None = None
        self.paid = Spent()
        """What they took in this run."""
        self.was_stopped = False
        """Whether a request was not sent because everything is about to end."""
        for draw in known:
            if draw.draw is None:
                self._note_earlier(draw)
            else:
                self._known[draw.key, draw.draw] = draw

    def asking_chat(self, backend: ModelAPI, request: ChatRequest) -> Callable[[], AsyncIterator[Chunk]]:
        """Return what gives the chunks of an answer."""
        asked = self._new(backend, request)
        kept: Any = self._kept(asked)
        if kept is not None:
            return partial(_chunks, kept)
        return partial(self._chat, asked, request)

    def asking_completions(
        self, backend: ModelAPI, request: CompletionRequest
    ) -> Callable[[], Awaitable[Sequence[Completion]]]:
        """Return what gives completions."""
        asked = self._new(backend, request)
        kept: Any = self._kept(asked)
        if kept is not None:
            return partial(_completions, kept)
        return partial(self._complete, asked, request)

    def _new(self, backend: ModelAPI, request: ChatRequest | CompletionRequest) -> _Asked:
        named = named_request(backend, request)
        key = key_of(named)
        with self._lock:
            draw = self._asked[key]
            self._asked[key] += 1
        return _Asked(backend, named, key, draw)

    def _kept(self, asked: _Asked) -> tuple[Chunk | Completion, ...] | None:
        kept = self._known.get((asked.key, asked.draw))
        if kept is None:
            return None
        with self._lock:
            self._note_earlier(kept)
        return kept.answer

    def _note_earlier(self, draw: RecordedDraw) -> None:
        self._earlier = (self._earlier or Spent()).plus(draw.usage, draw.cost)

    @property
    def spent(self) -> Spent:
        """What its answers took, those of earlier trials and runs included."""
        return self.paid if self._earlier is None else self._earlier + self.paid

    async def _settle(self) -> None:
        """Wait until all answers by now are kept."""
        handed = self._handed
        if self._settled < handed:
            with waiting():
                await self._sink.settled()
            self._settled = max(self._settled, handed)

    async def _chat(self, asked: _Asked, request: ChatRequest) -> AsyncIterator[Chunk]:
        await self._settle()
        refused = 0
        while True:
            chunks: list[Chunk] = []
            started = time.time()
            begun = 0
            try:
                async with self._gate as begun:
                    started = time.time()
                    answer: Any = asked.backend.stream_chat(request)
                    async with aclosing(answer):
                        async for chunk in answer:
                            chunks.append(chunk)
                            yield chunk
            except StoppedError:
                self.was_stopped = True
                raise
            except Exception as error:
                if not chunks and refused < _MOST_REFUSALS and self._is_to_wait(asked, error, begun):
                    refused += 1
                    continue
                self._failed(asked, started, error)
                raise
            self._paid(asked, started, merged(chunks))
            await self._gate.turn()
            return

    async def _complete(self, asked: _Asked, request: CompletionRequest) -> Sequence[Completion]:
        await self._settle()
        for refused in range(_MOST_REFUSALS + 1):
            started = time.time()
            begun = 0
            try:
                async with self._gate as begun:
                    started = time.time()
                    completions = await asked.backend.complete(request)
            except StoppedError:
                self.was_stopped = True
                raise
            except Exception as error:
                if refused < _MOST_REFUSALS and self._is_to_wait(asked, error, begun):
                    continue
                self._failed(asked, started, error)
                raise
            self._paid(asked, started, completions)
            await self._gate.turn()
            return completions
        raise AssertionError  # the last refusal was raised

    def _is_to_wait(self, asked: _Asked, error: Exception, begun: int) -> bool:
        """Tell whether a failure is a refusal for the rate, after which all wait and it is tried again."""
        ours = translated(asked.backend, error)
        if not isinstance(ours, RateLimitError) or (ours.retry_after or 0) > _LONGEST_WAIT:
            return False
        self._gate.slow_down(begun, ours.retry_after)
        return True

    def _paid(self, asked: _Asked, started: float, answers: Sequence[Chunk | Completion]) -> None:
        self._gate.went_well()
        usage = total_usage([each.usage for each in answers])
        told = any(each.usage is not None for each in answers)
        model = next((each.response_model for each in answers if isinstance(each, Chunk)), None)
        cost = cost_of(usage if told else None, answered_by(asked.backend), model)
        with self._lock:
            self.paid = self.paid.plus(usage, cost)
        kept = [answer_to_json(each) for each in answers]
        self._keep(asked.kept(self._row, started, kept, usage, cost))

    def _failed(self, asked: _Asked, started: float, error: Exception) -> None:
        ours = translated(asked.backend, error) or error
        told = {"type": type(ours).__name__, "message": str(ours)}
        known = {name: value for name in ("status", "retry_after") if (value := getattr(ours, name, None))}
        self._keep(asked.kept(self._row, started, None, Usage(), None, error={**told, **known}))

    def _keep(self, draw: Draw) -> None:
        self._handed += 1
        self._sink.keep_draw(draw)


@frozen
class _Asked:
    """A request under way."""

    backend: ModelAPI
    named: dict[str, Any]
    key: str
    draw: int

    def kept(
        self,
        row: bytes,
        started: float,
        answers: list[dict[str, Any]] | None,
        usage: Usage,
        cost: float | None,
        error: dict[str, Any] | None = None,
    ) -> Draw:
        """Return what is kept of it."""
        about = {
            "started": started,
            "seconds": round(time.time() - started, 6),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        }
        call = current_scope().request_id
        if (secrets := _secrets.get(self.backend)) is None:
            secrets = _secrets[self.backend] = secrets_behind(self.backend)
        return Draw(row, self.key, self.draw, self.named, answers, call, about, cost, error, secrets)


_secrets: WeakKeyDictionary[ModelAPI, tuple[str, ...]] = WeakKeyDictionary()
"""Those of each backend, which looking for takes longer than a request may cost."""


async def _chunks(kept: Sequence[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in kept:
        yield chunk


async def _completions(kept: Sequence[Completion]) -> Sequence[Completion]:
    return kept


def merged(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return answers whose pieces are put together: one chunk for each."""
    answers: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        answers.setdefault(chunk.index, []).append(chunk)
    return [pieces[0] if len(pieces) == 1 else _whole(pieces) for pieces in answers.values()]


def _whole(pieces: Sequence[Chunk]) -> Chunk:
    return Chunk(
        "".join(each.text for each in pieces),
        "".join(each.thinking for each in pieces),
        next((each.finish_reason for each in reversed(pieces) if each.finish_reason), None),
        next((each.usage for each in reversed(pieces) if each.usage is not None), None),
        next((each.response_id for each in pieces if each.response_id), None),
        next((each.response_model for each in pieces if each.response_model), None),
        index=pieces[0].index,
        refusal="".join(each.refusal for each in pieces),
        logprobs=tuple(one for each in pieces for one in each.logprobs),
        tool_calls=tuple(one for each in pieces for one in each.tool_calls),
    )
