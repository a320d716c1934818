"""What happens in sessions, handed to the writer of a history.

The loop on which a call runs hands values over; what costs time is done in the writer's thread. A verb ends
once its call is written.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from attrs import define, field

from mellea.core.answer_json import answer_to_json
from mellea.core.attempt import Attempt
from mellea.core.errors import GenerationCancelledError, UsageError
from mellea.core.message import Message
from mellea.core.redaction import redacted, secrets_within
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_key import (
    canonical,
    chat_request,
    completion_request,
    draws_the_same,
    request_key,
    without_secrets,
)
from mellea.core.response import Chunk, Completion, Usage, as_usage
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import ToolCallFragment
from mellea.history.tables import ANSWER, Tables
from mellea.plugins import HookContext, HookType, Plugin, PluginMode, hook

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.history.writing import Writer

__all__ = ["Recorder", "this_process"]

_LONGEST_WAIT = 120.0
_ASKED = ("description", "content", "declaration", "value", "query", "transformation")
"""The attributes in which components hold what they ask."""


@define(eq=False)
class _Call:
    """A call under way: what of it has been handed over."""

    outputs: list[int] = field(factory=list)


_looks_on = functools.partial(hook, mode=PluginMode.AUDIT, timeout=None)
_waits = functools.partial(hook, mode=PluginMode.AUDIT, timeout=_LONGEST_WAIT)


class Recorder(Plugin, name="history"):
    """Turns the payloads of hooks into records. A subclass says what writes them."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._secrets: WeakKeyDictionary[object, tuple[str, ...]] = WeakKeyDictionary()

    def writer(self) -> Writer:
        """Return what writes the file."""
        raise UsageError("A recorder needs something that writes.", hint="Use History(path).")

    # Sessions

    @_looks_on(HookType.SESSION_POST_INIT)
    def begin_session(self, payload: Any, ctx: HookContext) -> None:
        """Keep that a session has begun."""
        uid, started, model = payload.session_id, payload.timestamp.timestamp(), payload.model_id
        self.writer().submit(lambda tables: tables.session(uid, started, {**this_process(), "model": model}))

    @_waits(HookType.SESSION_CLEANUP)
    async def end_session(self, payload: Any, ctx: HookContext) -> None:
        """Keep that a session has ended."""
        error = payload.exception
        told = None if error is None else redacted(f"{type(error).__name__}: {error}")
        uid, ended = payload.session_id, payload.timestamp.timestamp()
        await self._written(lambda tables: tables.end_session(uid, ended, told))

    # Calls

    @_looks_on(HookType.COMPONENT_PRE_EXECUTE)
    def begin_call(self, payload: Any, ctx: HookContext) -> None:
        """Keep that a verb has begun; of a verb within a verb, nothing."""
        uid = payload.request_id
        if not uid or uid in self._calls:
            return
        self._calls[uid] = _Call()
        session, action, strategy = payload.session_id, payload.action, payload.strategy
        about = {
            "started": payload.timestamp.timestamp(),
            "kind": payload.component_type,
            "strategy": None if strategy is None else repr(strategy),
        }
        self.writer().submit(
            lambda tables: tables.call(uid, session, {**about, "asked": tables.blank(_asked(action))})
        )

    @_waits(HookType.COMPONENT_POST_SUCCESS)
    async def end_call(self, payload: Any, ctx: HookContext) -> None:
        """Keep what came of a verb, and wait until all of it is written."""
        uid, session, output = payload.request_id, payload.session_id, payload.result
        if not uid:
            return
        result = None if output is None else output.sampling
        known = self._calls.pop(uid, _Call())
        about = _begun(payload)

        def write(tables: Tables) -> None:
            call = tables.number_of_call(uid)
            call = tables.call(uid, session, about) if call is None else call
            ended: dict[str, Any] = {**about, "outcome": "answered", "error": None}
            if result is not None:
                if known.outputs != [id(attempt.output) for attempt in result.attempts]:
                    tables.drop_attempts(call)
                    for place, attempt in enumerate(result.attempts):
                        tables.attempt(call, place, attempt.told())
                ended |= _chosen(result, tables)
            if output is not None:
                ended["answer"] = tables.text(ANSWER, output.text, call=call)
            tables.call(uid, session, ended)
            tables.leave_call(uid)

        await self._written(write)

    @_waits(HookType.COMPONENT_POST_ERROR)
    async def fail_call(self, payload: Any, ctx: HookContext) -> None:
        """Keep why a verb has failed, and wait until all of it is written."""
        uid, session, error = payload.request_id, payload.session_id, payload.error
        if not uid:
            return
        self._calls.pop(uid, None)
        cancelled = isinstance(error, asyncio.CancelledError | GenerationCancelledError)
        about = {**_begun(payload), "outcome": "cancelled" if cancelled else "error"}

        def write(tables: Tables) -> None:
            tables.call(uid, session, {**about, "error": tables.blank(f"{type(error).__name__}: {error}")})
            tables.leave_call(uid)

        await self._written(write)

    @_looks_on(HookType.SAMPLING_ITERATION)
    def end_attempt(self, payload: Any, ctx: HookContext) -> None:
        """Keep an attempt of a strategy with its verdicts."""
        uid, session, attempt = payload.request_id, payload.session_id, payload.attempt
        call = self._calls.get(uid)
        if call is None or not isinstance(attempt, Attempt):
            return
        place = len(call.outputs)
        call.outputs.append(id(attempt.output))
        started = payload.timestamp.timestamp()

        def write(tables: Tables) -> None:
            number = tables.number_of_call(uid)
            if number is None:
                number = tables.call(uid, session, {"started": started})
            tables.attempt(number, place, attempt.told())

        self.writer().submit(write)

    # Requests

    @_looks_on(HookType.GENERATION_POST_CALL)
    def end_request(self, payload: Any, ctx: HookContext) -> None:
        """Keep a request to a model with its answer."""
        backend, output = payload.backend, payload.model_output
        request = _sent(payload)
        if request is None or output is None:
            return
        chunk = _chunk(output, request, backend, payload.sample_index)
        self._keep(payload, request, [chunk], chunk.usage)

    @_looks_on(HookType.GENERATION_BATCH_POST_CALL)
    def end_batch(self, payload: Any, ctx: HookContext) -> None:
        """Keep a request for plain completion with its answers."""
        request = payload.request
        if request is None:
            return
        answers = [_completion(output) for output in payload.model_outputs]
        self._keep(payload, request, answers, payload.usage)

    @_looks_on(HookType.GENERATION_ERROR)
    @_looks_on(HookType.GENERATION_BATCH_ERROR)
    def fail_request(self, payload: Any, ctx: HookContext) -> None:
        """Keep a request that failed; nothing where none was sent."""
        if payload.request is not None:
            self._keep(payload, payload.request, None, None)

    def _keep(
        self,
        payload: Any,
        request: ChatRequest | CompletionRequest,
        answers: Sequence[Chunk | Completion] | None,
        usage: Usage | None,
    ) -> None:
        backend = payload.backend
        seconds = payload.latency_ms / 1000
        error = None if answers is not None else payload.exception
        about = {
            "kind": "chat" if isinstance(request, ChatRequest) else "completion",
            "provider": payload.provider or backend.provider,
            "model": payload.model or request.model_id,
            "started": payload.timestamp.timestamp() - seconds,
            "seconds": round(seconds, 6),
        }
        session, call = payload.session_id, payload.request_id
        place = getattr(payload, "sample_index", 0)

        def write(tables: Tables) -> None:
            tables.hide(self._secrets_of(backend))
            tables.note_backend(session, about["provider"])
            tables.request(
                request_key(backend, request),
                _as_json(request),
                None if answers is None else [answer_to_json(each) for each in answers],
                call=call,
                session=session,
                about={**about, "error": None if error is None else canonical(tables.blank(_told(error)))},
                sample=place if draws_the_same(backend, request) else None,
                usage=usage or Usage(),
            )

        self.writer().submit(write)

    def _secrets_of(self, backend: object) -> tuple[str, ...]:
        """Return the secrets of the environment and of a backend, with those that it stands in front of."""
        known = self._secrets.get(backend)
        if known is None:
            within = [secret for each in _all_of(backend) for secret in secrets_within(vars(each))]
            known = self._secrets[backend] = (*secrets_within(os.environ), *within)
        return known

    async def _written(self, job: Callable[[Tables], object]) -> None:
        await asyncio.wrap_future(self.writer().submit(job))


def this_process() -> dict[str, Any]:
    """Return what is known of this process, by column of a session."""
    return {
        "program": Path(sys.argv[0]).name if sys.argv else None,
        "process": os.getpid(),
        "host": socket.gethostname(),
        "release": vars(sys.modules["mellea"])["__version__"],  # the package is above this one
    }


def _begun(payload: Any) -> dict[str, Any]:
    """Return what the end of a call says of its beginning."""
    seconds = payload.latency_ms / 1000
    return {"started": payload.timestamp.timestamp() - seconds, "seconds": round(seconds, 6)}


def _asked(action: object) -> str:
    """Return in words what a call asks."""
    for name in _ASKED:
        held = getattr(action, name, None)
        words = getattr(held, "value", held)
        if isinstance(words, str) and words.strip():
            return words
    return type(action).__name__


def _sent(payload: Any) -> ChatRequest | None:
    """Return the request of a generation; of a backend that sends its own, one with the prompt."""
    if isinstance(payload.request, ChatRequest):
        return payload.request
    prompt = payload.prompt
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(prompt, Sequence):
        return None
    return ChatRequest(
        payload.model or "", tuple(Message(each["role"], str(each["content"])) for each in prompt)
    )


def _chunk(output: ModelOutputThunk[Any], request: ChatRequest, backend: Backend, place: int) -> Chunk:
    """Return an answer in one piece, as a backend would give it again."""
    known, text = output.generation, output.text
    if request.schema is not None and output.schema is None and not backend.plain_patterns:
        text = json.dumps(text, ensure_ascii=False)  # a text that is held to a pattern comes as a JSON string
    return Chunk(
        text,
        output.thinking or "",
        known.finish_reasons[-1] if known.finish_reasons else None,
        as_usage(known.usage),
        known.response_id,
        known.response_model,
        index=place,
        logprobs=tuple(known.logprobs or ()),
        tool_calls=tuple(
            ToolCallFragment(number, call.tool_call_id, call.name, without_secrets(call.args))
            for number, call in enumerate(output.asked_calls)
        ),
    )


def _completion(output: ModelOutputThunk[Any]) -> Completion:
    known = output.generation
    reason = known.finish_reasons[-1] if known.finish_reasons else None
    return Completion(output.text, reason, as_usage(known.usage), tuple(known.logprobs or ()))


def _as_json(request: ChatRequest | CompletionRequest) -> dict[str, Any]:
    return chat_request(request) if isinstance(request, ChatRequest) else completion_request(request)


def _told(error: BaseException) -> dict[str, Any]:
    known = {name: value for name in ("status", "retry_after") if (value := getattr(error, name, None))}
    return {"type": type(error).__name__, "message": str(error), **known}


def _chosen(result: Any, tables: Tables) -> dict[str, Any]:
    """Return what a strategy says of its choice, by column."""
    checked = any(attempt.results for attempt in result.attempts) or not result.success
    met = "met" if result.success else "not met"
    return {
        "outcome": met if checked else "answered",
        "why": tables.blank(result.why),
        "chosen": getattr(result, "result_index", None),
        "steering": canonical(tables.blank(dict(getattr(result, "steering", {})))),
    }


def _all_of(backend: object) -> Iterator[object]:
    yield backend
    for inner in getattr(backend, "inner_backends", ()):
        yield from _all_of(inner)
