"""One generation, from an action and a context to a filled thunk: everything that all backends have in common.

``start_chat`` checks what can be checked at once and returns a thunk; a task then resolves the thunks that the prompt
depends on, renders it, and feeds the thunk with the backend's chunks.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock, ImageUrlBlock
from mellea.core.capabilities import Capability
from mellea.core.component import Span, blockify, generate_walk, is_component
from mellea.core.errors import (
    CapabilityError,
    MalformedResponseError,
    MelleaError,
    ProviderError,
    ProviderTimeoutError,
    UsageError,
)
from mellea.core.message import Message
from mellea.core.options import ModelOption, merge_options, report_unsupported, translate_options
from mellea.core.request import ChatRequest, Chunk, CompletionRequest, OutputSchema
from mellea.core.thunk import GenerationMetadata, ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context

__all__ = ["attach_parsers", "complete", "missing_capability", "resolve_all", "sample_n", "start_chat"]

DEFAULT_STREAM_TIMEOUT = 120.0
"""The longest wait for a piece of a stream, in seconds."""


LIST_CAPABILITIES = "See what the installed backends declare with: mellea backends"
"""The remedy where nobody is there to name the backends that could."""


def missing_capability(
    backend: Backend, capability: Capability, why: str = "", *, hint: str | None = LIST_CAPABILITIES
) -> CapabilityError:
    """Return the error for something that a backend does not declare; without a hint, a session names the backends that do."""
    return CapabilityError(
        f"Backend {backend.provider!r} does not declare {capability.value!r}{why}; nothing was sent.",
        hint=hint,
        missing=capability.value,
        backend=backend.provider,
        model_id=backend.model_id,
    )


def start_chat(
    backend: Backend,
    action: Span,
    ctx: Context,
    *,
    format: Any,
    model_options: Mapping[str, Any],
    tool_calls: bool,
) -> ModelOutputThunk[Any]:
    """Return a thunk that a task on the running loop fills with the answer to ``action``.

    Raises:
        UsageError: The format, an option or a capability is wrong; nothing was sent.
    """
    action = blockify(action)
    request, options = _checked(
        backend, action, format=format, model_options=model_options, tool_calls=tool_calls
    )
    thunk = _new_thunk(backend, action, request)
    thunk._start(_fill(backend, thunk, action, ctx, request, options))
    return thunk


async def sample_n(
    backend: Backend,
    action: Span,
    ctx: Context,
    n: int,
    *,
    format: Any,
    model_options: Mapping[str, Any],
    tool_calls: bool,
) -> list[ModelOutputThunk[Any]]:
    """Return several answers to ``action``, drawn in one request; fewer than ``n`` where the provider gives fewer.

    What the request spent is counted on the first answer.

    Raises:
        UsageError: The format, an option or a capability is wrong; nothing was sent.
        ProviderError: The provider failed.
    """
    if Capability.N_SAMPLES not in backend.capabilities:
        raise missing_capability(backend, Capability.N_SAMPLES, hint=None)
    action = blockify(action)
    once = merge_options(model_options, {ModelOption.STREAM: False})
    request, options = _checked(backend, action, format=format, model_options=once, tool_calls=tool_calls)
    thunks = [_new_thunk(backend, action, request) for _ in range(n)]
    request = await _rendered(backend, action, ctx, evolve(request, n=n), options)
    started, answered = time.perf_counter(), set()
    async with aclosing(_stream_chunks(backend, request, options.get(ModelOption.STREAM_TIMEOUT))) as pieces:
        async for chunk in pieces:
            if chunk.index < n:
                answered.add(chunk.index)
                thunks[chunk.index]._feed(chunk, started)
    for thunk in thunks:
        thunk._send(request)
        _complete(thunk, started)
    return [thunks[index] for index in sorted(answered)]


def _checked(
    backend: Backend, action: Span, *, format: Any, model_options: Mapping[str, Any], tool_calls: bool
) -> tuple[ChatRequest, dict[str, Any]]:
    """Return the request, still without messages, and the merged options, once all that can be checked at once is right."""
    options, native = _options(backend, model_options)
    _check_tool_names(options.get(ModelOption.TOOLS))
    if (tool_calls or options.get(ModelOption.TOOLS)) and Capability.TOOLS not in backend.capabilities:
        raise missing_capability(backend, Capability.TOOLS, hint=None)
    _check_blocks(backend, action)
    stream = bool(options.get(ModelOption.STREAM, False)) and Capability.STREAMING in backend.capabilities
    schema = OutputSchema.of(format) if format is not None else None
    return ChatRequest(backend.model_id, (), native, schema, stream), options


def _check_tool_names(tools: Any) -> None:
    """Refuse two tools of one name: a call of it could mean either. A mapping has each name once."""
    if tools is None or isinstance(tools, Mapping):
        return
    names = [str(getattr(tool, "name", None) or getattr(tool, "__name__", tool)) for tool in tools]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Several tools are named {', '.join(twice)}; nothing was sent.",
            hint="Give each tool a name of its own.",
        )


def _new_thunk(backend: Backend, action: Span, request: ChatRequest) -> ModelOutputThunk[Any]:
    thunk: ModelOutputThunk[Any] = ModelOutputThunk()
    thunk._schema = request.schema
    thunk._action = action if is_component(action) else None
    thunk._generation = GenerationMetadata(
        model=backend.model_id, provider=backend.provider, streaming=request.stream
    )
    return thunk


def _options(backend: Backend, model_options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the merged options, under common names and under the provider's own."""
    table = backend.options
    options = merge_options(table.canonical(backend.model_options), table.canonical(model_options))
    native = translate_options(
        options, table, backend=backend.provider, strict=backend.strict_options, reported=_reported(backend)
    )
    return options, native


def _reported(backend: Backend) -> set[str]:
    """Return the options that a backend has reported; made here, because a subclass need not call ``__init__``."""
    if backend._reported is None:
        backend._reported = set()
    return backend._reported


async def _fill(
    backend: Backend,
    thunk: ModelOutputThunk[Any],
    action: Span,
    ctx: Context,
    request: ChatRequest,
    options: Mapping[str, Any],
) -> None:
    """Render the prompt, send it, and feed the thunk."""
    request = await _rendered(backend, action, ctx, request, options)
    thunk._send(request)
    timeout = options.get(ModelOption.STREAM_TIMEOUT, DEFAULT_STREAM_TIMEOUT if request.stream else None)
    started = time.perf_counter()
    async with aclosing(_stream_chunks(backend, request, timeout)) as pieces:
        async for chunk in pieces:
            thunk._feed(chunk, started)
    _complete(thunk, started)


async def _rendered(
    backend: Backend, action: Span, ctx: Context, request: ChatRequest, options: Mapping[str, Any]
) -> ChatRequest:
    """Return the request with its messages, once everything they are made of is computed."""
    spans = [*await ctx.view(backend), action]
    await resolve_all(spans)
    messages = backend.formatter.to_chat_messages(spans)
    if system := options.get(ModelOption.SYSTEM_PROMPT):
        messages.insert(0, Message("system", str(system)))
    if request.schema is not None and Capability.JSON_SCHEMA not in backend.capabilities:
        messages[-1] = _asking_for(request.schema, messages[-1])
        request = evolve(request, schema=None)
    _check_media(backend, messages)
    return evolve(request, messages=tuple(messages))


def _complete(thunk: ModelOutputThunk[Any], started: float) -> None:
    thunk._generation = evolve(thunk._generation, seconds=time.perf_counter() - started)
    thunk._finish()


def attach_parsers(thunk: ModelOutputThunk[Any], action: Span, format: Any) -> None:
    """Tell a thunk that a backend made by itself what its text means."""
    if thunk._action is None and is_component(action):
        thunk._action = action
    if thunk._schema is None and format is not None:
        thunk._schema = OutputSchema.of(format)


async def resolve_all(spans: Iterable[Span]) -> None:
    """Await, concurrently, every thunk in the spans that is not computed yet.

    Raises:
        MelleaError: The error of a thunk that failed.
    """
    pending = [thunk for span in spans for thunk in generate_walk(span)]
    if pending:
        await asyncio.gather(*(thunk.avalue() for thunk in pending))


def _check_blocks(backend: Backend, span: Span) -> None:
    """Refuse at once what the action itself contains; what only rendering shows is refused then."""
    missing = {Capability.IMAGES, Capability.AUDIO} - backend.capabilities
    if missing and is_component(span):
        for part in span.parts():
            _check_blocks(backend, part)
    elif Capability.IMAGES in missing and isinstance(span, ImageBlock | ImageUrlBlock):
        raise missing_capability(backend, Capability.IMAGES, ", and the prompt holds an image", hint=None)
    elif Capability.AUDIO in missing and isinstance(span, AudioBlock | AudioUrlBlock):
        raise missing_capability(backend, Capability.AUDIO, ", and the prompt holds audio", hint=None)


def _check_media(backend: Backend, messages: Iterable[Message]) -> None:
    for message in messages:
        if message.images and Capability.IMAGES not in backend.capabilities:
            raise missing_capability(backend, Capability.IMAGES, ", and the prompt holds an image")
        if message.audio and Capability.AUDIO not in backend.capabilities:
            raise missing_capability(backend, Capability.AUDIO, ", and the prompt holds audio")


def _asking_for(schema: OutputSchema, message: Message) -> Message:
    """Return the message with the schema written out, for a backend that cannot constrain its output."""
    wanted = f"Answer with one JSON value that fits this JSON schema, and nothing else:\n{json.dumps(schema.json_schema)}"
    return evolve(message, content=f"{message.content}\n\n{wanted}" if message.content else wanted)


async def _stream_chunks(
    backend: Backend, request: ChatRequest, patience: float | None
) -> AsyncGenerator[Chunk, None]:
    """Iterate over the backend's chunks, with its errors translated and the wait for each piece bounded."""
    clock = _IdleTimer(patience)
    try:
        async with aclosing(backend.stream_chat(request)) as chunks:  # type: ignore[type-var]  # an asynchronous generator
            async for chunk in chunks:
                clock.reset()
                yield chunk
    except asyncio.CancelledError:
        if clock.expired:
            raise _idle_timeout(backend, patience) from None
        raise
    except MelleaError:
        raise
    except Exception as error:
        raise _translated(backend, error) from error
    finally:
        clock.stop()


def _idle_timeout(backend: Backend, seconds: float | None) -> ProviderTimeoutError:
    return ProviderTimeoutError(
        f"Backend {backend.provider!r} sent nothing for {seconds:g} seconds.",
        hint="Raise ModelOption.STREAM_TIMEOUT, or look whether the server still works.",
        backend=backend.provider,
        model_id=backend.model_id,
    )


def _translated(backend: Backend, error: Exception) -> MelleaError:
    """Return our error for one that a backend or its library raised."""
    return backend.translate_error(error) or ProviderError(
        f"Backend {backend.provider!r} failed: {type(error).__name__}: {error}.",
        hint="The original error is chained to this one.",
        backend=backend.provider,
        model_id=backend.model_id,
    )


class _IdleTimer:
    """Cancels the current task when ``reset`` was not called for ``timeout`` seconds.

    One timer serves a whole stream: a reset is one clock reading, and the timer moves itself when it goes off early.
    """

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._last = self._loop.time()
        self.expired = False
        self._timer = self._loop.call_at(self._last + timeout, self._check) if timeout is not None else None

    def reset(self) -> None:
        self._last = self._loop.time()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        deadline = self._last + (self._timeout or 0)
        if self._loop.time() < deadline:
            self._timer = self._loop.call_at(deadline, self._check)
        elif self._task is not None:
            self.expired = True
            self._task.cancel()


async def complete(
    backend: Backend,
    actions: Sequence[Span],
    *,
    format: Any,
    model_options: Mapping[str, Any],
    tool_calls: bool,
) -> list[ModelOutputThunk[Any]]:
    """Complete the plain texts of the actions in one batch. See ``Backend.generate_from_raw``."""
    if Capability.RAW not in backend.capabilities:
        raise missing_capability(backend, Capability.RAW)
    if tool_calls or model_options.get(ModelOption.TOOLS):
        raise missing_capability(backend, Capability.TOOLS, " for plain completion")
    options, native = _options(backend, model_options)
    if options.get(ModelOption.SYSTEM_PROMPT) is not None:
        report_unsupported(
            ["SYSTEM_PROMPT for plain completion"],
            backend=backend.provider,
            strict=backend.strict_options,
            reported=_reported(backend),
        )
    schema = OutputSchema.of(format) if format is not None else None
    if schema is not None and Capability.JSON_SCHEMA not in backend.capabilities:
        raise missing_capability(backend, Capability.JSON_SCHEMA, " for plain completion")
    spans = [blockify(action) for action in actions]
    if not spans:
        return []
    await resolve_all(spans)
    prompts = tuple(backend.formatter.print(span) for span in spans)
    request = CompletionRequest(backend.model_id, prompts, native, schema)
    patience = options.get(ModelOption.STREAM_TIMEOUT)
    limit = asyncio.timeout(patience)
    try:
        async with limit:
            completions = await backend.complete(request)
    except MelleaError:
        raise
    except Exception as error:
        raise (
            _idle_timeout(backend, patience) if limit.expired() else _translated(backend, error)
        ) from error
    if len(completions) != len(spans):
        raise MalformedResponseError(
            f"Backend {backend.provider!r} gave {len(completions)} completions for {len(spans)} prompts.",
            hint="Look at the backend: it answers each prompt once, in order.",
            backend=backend.provider,
            model_id=backend.model_id,
        )
    return [
        _computed(backend, span, schema, completion.text, completion.finish_reason, completion.usage)
        for span, completion in zip(spans, completions, strict=True)
    ]


def _computed(
    backend: Backend,
    span: Span,
    schema: OutputSchema | None,
    text: str,
    finish_reason: str | None,
    usage: Any,
) -> ModelOutputThunk[Any]:
    thunk: ModelOutputThunk[Any] = ModelOutputThunk(text)
    thunk._schema = schema
    thunk._action = span if is_component(span) else None
    thunk._generation = GenerationMetadata(
        usage=usage,
        model=backend.model_id,
        provider=backend.provider,
        finish_reasons=(finish_reason,) if finish_reason else (),
    )
    return thunk
