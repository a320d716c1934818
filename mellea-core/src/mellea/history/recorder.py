"""What happens in sessions, handed to the writer of a history.

The loop on which a call runs hands values over; what costs time is done in the writer's thread. A failed
attempt is repaired once it is written, and a verb ends once its call is, with all that led to them.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from attrs import define, field

from mellea.core.answer_json import answer_to_json
from mellea.core.attempt import Attempt
from mellea.core.errors import GenerationCancelledError, UsageError
from mellea.core.message import Message
from mellea.core.redaction import redacted
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_key import canonical, draws_the_same, key_of, named_request, without_secrets
from mellea.core.response import Chunk, Completion, Usage, as_usage
from mellea.core.sampling import SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import ToolCallFragment
from mellea.history.tables import ANSWER, TOKENS, Tables
from mellea.history.telling import begun_of, chosen_of, is_outermost, seconds_of, secrets_behind
from mellea.plugins import HookContext, HookType, Plugin, PluginMode, hook

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.history.writing import Writer

__all__ = ["Recorder"]

_LONGEST_WAIT = 120.0


@define(eq=False)
class _Call:
    """A call under way: how it began, and what of it has been handed over."""

    begun: Any = None
    handed_over: bool = False
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
        self.writer().defer(lambda tables: tables.session(uid, started, model))

    @_waits(HookType.SESSION_CLEANUP)
    async def end_session(self, payload: Any, ctx: HookContext) -> None:
        """Keep that a session has ended."""
        error = payload.exception
        told = None if error is None else redacted(f"{type(error).__name__}: {error}")
        uid, ended = payload.session_id, payload.timestamp.timestamp()
        await self.writer().write(lambda tables: tables.end_session(uid, ended, told))

    # Calls

    @_looks_on(HookType.COMPONENT_PRE_EXECUTE)
    def begin_call(self, payload: Any, ctx: HookContext) -> None:
        """Take note that a verb has begun; of a verb within a verb, nothing."""
        if is_outermost(payload):
            self._calls[payload.request_id] = _Call(payload)

    @_looks_on(HookType.GENERATION_PRE_CALL)
    def begin_request(self, payload: Any, ctx: HookContext) -> None:
        """Keep that a verb has begun, once it is known whom it asks, whose secrets are to be blanked."""
        call = self._calls.get(payload.request_id)
        if call is not None and not call.handed_over:
            call.handed_over = True
            begun, session, backend = call.begun, payload.session_id, payload.backend

            def write(tables: Tables) -> None:
                tables.hide(self._secrets_of(backend))
                tables.call(begun.request_id, session, _blanked(begun_of(begun), tables))

            self.writer().defer(write)

    @_waits(HookType.COMPONENT_POST_SUCCESS)
    async def end_call(self, payload: Any, ctx: HookContext) -> None:
        """Keep what came of a verb, and wait until all of it is written."""
        uid, session, output = payload.request_id, payload.session_id, payload.result
        if not is_outermost(payload):
            return
        result = None if output is None else output.sampling
        known = self._calls.pop(uid, _Call())

        def write(tables: Tables) -> None:
            call = tables.number_of_call(uid)
            if call is None:
                call = tables.call(uid, session, _blanked(begun_of(known.begun or payload), tables))
            ended: dict[str, Any] = {"seconds": seconds_of(payload), "outcome": "answered"}
            if result is not None:
                if known.outputs != [id(attempt.output) for attempt in result.attempts]:
                    tables.drop_attempts(call)
                    for place, attempt in enumerate(result.attempts):
                        tables.attempt(call, place, attempt.told())
                ended |= _blanked(chosen_of(result), tables)
            if output is not None:
                ended["answer"] = tables.text(ANSWER, output.text, call=call)
            tables.call(uid, session, ended)
            tables.leave_call(uid)

        await self.writer().write(write)

    @_waits(HookType.COMPONENT_POST_ERROR)
    async def fail_call(self, payload: Any, ctx: HookContext) -> None:
        """Keep why a verb has failed, and wait until all of it is written."""
        uid, session, error = payload.request_id, payload.session_id, payload.error
        if not is_outermost(payload):
            return
        known = self._calls.pop(uid, _Call())
        cancelled = isinstance(error, asyncio.CancelledError | GenerationCancelledError)
        result = getattr(error, "result", None)

        def write(tables: Tables) -> None:
            if tables.number_of_call(uid) is None:
                tables.call(uid, session, _blanked(begun_of(known.begun or payload), tables))
            ended = {"outcome": "cancelled" if cancelled else "error", "seconds": seconds_of(payload)}
            ended |= _blanked(chosen_of(result), tables) if isinstance(result, SamplingResult) else {}
            ended["error"] = tables.blank(f"{type(error).__name__}: {error}")
            tables.call(uid, session, ended)
            tables.leave_call(uid)

        await self.writer().write(write)

    @_waits(HookType.SAMPLING_ITERATION)
    async def end_attempt(self, payload: Any, ctx: HookContext) -> None:
        """Keep an attempt of a strategy with its verdicts; where it ends the call, that waits for it."""
        uid, session, attempt = payload.request_id, payload.session_id, payload.attempt
        call = self._calls.get(uid)
        if call is None or not isinstance(attempt, Attempt):
            return
        place = len(call.outputs)
        call.outputs.append(id(attempt.output))

        def write(tables: Tables) -> None:
            number = tables.number_of_call(uid)
            if number is None:
                number = tables.call(uid, session, _blanked(begun_of(call.begun), tables))
            tables.attempt(number, place, attempt.told())

        if attempt.success:
            self.writer().defer(write)
        else:
            await self.writer().write(write)

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
        seconds = seconds_of(payload)
        error = None if answers is not None else payload.exception
        about = {
            "started": payload.timestamp.timestamp() - seconds,
            "seconds": seconds,
            **{name: getattr(usage, name, 0) for name in TOKENS},
        }
        session, call = payload.session_id, payload.request_id
        place = getattr(payload, "sample_index", 0)

        def write(tables: Tables) -> None:
            tables.hide(self._secrets_of(backend))
            named = named_request(backend, request)
            tables.note_backend(session, named["provider"])
            tables.request(
                key_of(named),
                named,
                None if answers is None else [answer_to_json(each) for each in answers],
                call=call,
                session=session,
                about={**about, "error": None if error is None else canonical(tables.blank(_told(error)))},
                sample=place if draws_the_same(named) else None,
            )

        self.writer().submit(write)

    def _secrets_of(self, backend: object) -> tuple[str, ...]:
        """Return the secrets of the environment and of a backend, with those that it stands in front of."""
        known = self._secrets.get(backend)
        if known is None:
            known = self._secrets[backend] = secrets_behind(backend)
        return known


def _blanked(about: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """Return what is known of a call, by column, without the secrets in it."""
    return {name: tables.blank(value) for name, value in about.items()}


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


def _told(error: BaseException) -> dict[str, Any]:
    known = {name: value for name in ("status", "retry_after") if (value := getattr(error, name, None))}
    return {"type": type(error).__name__, "message": str(error), **known}
