"""One generation, from an action and a context to a filled thunk.

Everything that all backends have in common.

``start_chat`` checks what can be checked at once and returns a thunk; a task then resolves the thunks that
the prompt depends on, renders it, and feeds the thunk with the backend's chunks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core._chunk_stream import InTime, answer_of, make_ready, take_chunks
from mellea.core._thunk_writer import ThunkWriter
from mellea.core.adapter import adapter_of
from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock, ImageUrlBlock
from mellea.core.budget import check_affordable, pay
from mellea.core.call_site import warn_caller, warner_from_here
from mellea.core.capabilities import Capability
from mellea.core.component import Component, Span, blockify, generate_walk, is_component
from mellea.core.errors import MalformedResponseError, ProviderError
from mellea.core.generate_config import GenerateConfig
from mellea.core.half_characters import refuse_half_characters, without_half_characters
from mellea.core.hooks import around, listens
from mellea.core.journal import asking_completions
from mellea.core.logprobs import with_alternatives
from mellea.core.message import Message, with_system_prompt
from mellea.core.metadata import GenerationMetadata
from mellea.core.model_api import ModelAPI, missing_capability
from mellea.core.options import ModelOption, report_unsupported, translate_options
from mellea.core.prompt_cut import check_prompt_read
from mellea.core.reading import Reading, read_from
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_log import RequestLog
from mellea.core.response import Chunk, as_usage, total_usage
from mellea.core.schema import OutputSchema, with_bound_quotes
from mellea.core.sources import Sources
from mellea.core.steering.decode import TextDecoder
from mellea.core.text_pattern import TextPattern
from mellea.core.thunk import ModelOutputThunk
from mellea.core.time_limits import TimeLimits, check_retries
from mellea.core.tool import check_names
from mellea.core.tool_offer import ToolOffer
from mellea.core.tool_request import with_tools

if TYPE_CHECKING:
    from mellea.core.context import Context
    from mellea.core.generation_hooks import GenerationCall

__all__ = ["complete", "parser_of", "resolve_all", "sample_n", "start_chat"]


def start_chat(
    backend: ModelAPI, action: Span, ctx: Context, config: GenerateConfig
) -> ModelOutputThunk[Any]:
    """Return a thunk that a task on the running loop fills with the answer to ``action``.

    Raises:
        UsageError: The format, an option or a capability is wrong; nothing was sent.
    """
    action = blockify(action)
    request, options = _check_request(backend, action, config)
    writer = _writer(backend, action, request, config)
    call: GenerationCall | None = None
    if listens("generation"):
        from mellea.core.generation_hooks import begun_here  # noqa: PLC0415  only where somebody listens

        call = begun_here()
    writer.start(_fill(backend, writer, action, ctx, request, options, config, call))
    if call is not None:
        writer.thunk.watch(call)
    return writer.thunk


async def sample_n(
    backend: ModelAPI, action: Span, ctx: Context, n: int, config: GenerateConfig
) -> list[ModelOutputThunk[Any]]:
    """Return several answers to ``action``, drawn in one request.

    Fewer than ``n`` where the provider gives fewer.

    What the request spent is counted on the first answer. Handlers of hooks see each as a generation of its
    own, which all share the request.

    Raises:
        UsageError: The format, an option or a capability is wrong; nothing was sent.
        ProviderError: The provider failed.
    """
    if not listens("generation"):
        return list((await _samples(backend, blockify(action), ctx, n, config, [])).values())
    from mellea.core.generation_hooks import GenerationCall  # noqa: PLC0415  see above

    calls = [GenerationCall(backend, action, ctx, index, n) for index in range(n)]
    try:
        for call in calls:
            config = await call.begin(config)
        with around(calls[0].generation_id):
            thunks = await _samples(backend, blockify(action), ctx, n, config, calls)
        for place, thunk in thunks.items():
            await calls[place].ended(thunk)
    except BaseException as error:
        for call in calls:
            await call.failed(error)
        raise
    for call in calls:
        await call.failed(_too_few(backend, len(thunks), n))  # those that were told an end know
    return list(thunks.values())


def _too_few(backend: ModelAPI, given: int, asked: int) -> ProviderError:
    return ProviderError(
        f"Backend {backend.provider!r} gave {given} answers where {asked} were asked for.",
        hint="The lanes without one ask for their own.",
        backend=backend.provider,
        model_id=backend.model_id,
    )


async def _samples(
    backend: ModelAPI,
    action: Span,
    ctx: Context,
    n: int,
    config: GenerateConfig,
    calls: Sequence[GenerationCall],
) -> dict[int, ModelOutputThunk[Any]]:
    """Return the answers by their places."""
    await make_ready(backend)
    if Capability.N_SAMPLES not in backend.capabilities:
        raise missing_capability(backend, Capability.N_SAMPLES, hint=None)
    request, options = _check_request(backend, action, config.under({ModelOption.STREAM: False}))
    writers = [_writer(backend, action, request, config) for _ in range(n)]
    request = await _render_request(backend, action, ctx, evolve(request, n=n), options, config, writers)
    for call in calls:
        call.request = request
    started, answered = time.perf_counter(), set()

    def take(chunk: Chunk) -> None:
        if chunk.index < n:
            answered.add(chunk.index)
            writers[chunk.index].feed(chunk, started)

    with RequestLog(backend, request) as log:
        await take_chunks(backend, request, TimeLimits.of(options, stream=False), take)
        _note_answers(backend, log, writers)
    refused = [(index, refusal) for index in sorted(answered) if (refusal := writers[index].refusal())]
    if refused and len(refused) == len(answered):
        raise refused[0][1]
    _check_prompt_read(backend, request, writers[0])
    given = sorted(answered - {index for index, _ in refused})
    for index in given:
        _settle(backend, writers[index], started, options)
        writers[index].finish()
    return {index: writers[index].thunk for index in given}


def _check_request(
    backend: ModelAPI, action: Span, config: GenerateConfig
) -> tuple[ChatRequest, dict[str, Any]]:
    """Return the request, still without messages, and the merged options.

    Everything that can be checked before the messages are known is checked here.
    """
    held = config.format if isinstance(config.format, TextPattern) else None
    if held is not None:
        config = held.bounded(config.over(backend.model_options, table=backend.options))
    options, native = _options(backend, config)
    tools = options.get(ModelOption.TOOLS)
    check_names(tools)
    wants_tools = config.tool_calls or tools
    if wants_tools and not backend.capabilities & {Capability.TOOLS, Capability.JSON_SCHEMA}:
        raise missing_capability(backend, Capability.TOOLS, hint=None)
    _check_logprobs(backend, options)
    check_affordable(backend)
    _check_blocks(backend, action)
    wanted = config.stream or options.get(ModelOption.STREAM, False)
    stream = bool(wanted) and Capability.STREAMING in backend.capabilities
    schema = _schema_of(config)
    schema = schema and with_bound_quotes(schema, [action])
    return ChatRequest(
        backend.model_id, (), native, schema, stream, adapter=adapter_of(backend, options)
    ), options


def _check_logprobs(backend: ModelAPI, options: Mapping[str, Any]) -> None:
    if options.get(ModelOption.LOGPROBS) and Capability.LOGPROBS not in backend.capabilities:
        raise missing_capability(backend, Capability.LOGPROBS, ", and LOGPROBS asks for them", hint=None)


def _report_missing_logprobs(backend: ModelAPI, warn: Callable[[Warning], None]) -> None:
    """Say that a server gave no log-probabilities, although it was asked for them and wrote something."""
    report_unsupported(
        ["LOGPROBS: its server gave none"],
        backend=backend.provider,
        strict=backend.strict_options,
        reported=backend.reported_options(),
        warn=warn,
    )


def _told(config: GenerateConfig) -> str:
    return config.format.said if isinstance(config.format, TextPattern) else ""


def parser_of(action: Span) -> Component[Any] | None:
    """Return what reads the answer to an action: the action itself, unless it is plain text."""
    return action if is_component(action) else None


def _schema_of(config: GenerateConfig) -> OutputSchema | None:
    if isinstance(config.format, TextPattern):
        return config.format.schema()
    return OutputSchema.of(config.format) if config.format is not None else None


def _writer(backend: ModelAPI, action: Span, request: ChatRequest, config: GenerateConfig) -> ThunkWriter:
    known = GenerationMetadata(
        model=backend.model_id,
        provider=backend.provider,
        streaming=request.stream,
        unenforced=_unenforced(backend, request.schema),
    )
    warn = warner_from_here()
    if isinstance(config.format, TextPattern):
        decoder = None if backend.plain_patterns else TextDecoder()
        return ThunkWriter(parser_of(action), None, known, warn, decoder)
    return ThunkWriter(parser_of(action), request.schema, known, warn)


def _unenforced(backend: ModelAPI, schema: OutputSchema | None) -> tuple[str, ...]:
    """Return what of a schema the backend cannot hold the model to."""
    if schema is None:
        return ()
    if Capability.JSON_SCHEMA not in backend.capabilities:
        return ("$: the schema as a whole",)
    return schema.in_dialect(backend.schema_dialect).unsaid


def _options(backend: ModelAPI, config: GenerateConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the merged options, under common names and under the provider's own."""
    if not config.options and not backend.model_options:
        return {}, {}
    options = dict(config.over(backend.model_options, table=backend.options).options)
    check_retries(options.get(ModelOption.MAX_RETRIES))
    native = translate_options(
        options,
        backend.options,
        backend=backend.provider,
        strict=backend.strict_options,
        reported=backend.reported_options(),
    )
    return options, native


async def _fill(
    backend: ModelAPI,
    writer: ThunkWriter,
    action: Span,
    ctx: Context,
    request: ChatRequest,
    options: dict[str, Any],
    config: GenerateConfig,
    call: GenerationCall | None,
) -> None:
    """Fill the thunk; whoever watches is told how that ends before anybody else knows."""
    try:
        with nullcontext() if call is None else around(call.generation_id):
            await _answer(backend, writer, action, ctx, request, options, config, call)
        if writer.is_watched:
            await writer.tell_end()
    except BaseException as error:
        if writer.is_watched:
            await writer.tell_failure(error)
        raise
    writer.finish()


async def _answer(
    backend: ModelAPI,
    writer: ThunkWriter,
    action: Span,
    ctx: Context,
    request: ChatRequest,
    options: dict[str, Any],
    config: GenerateConfig,
    call: GenerationCall | None,
) -> None:
    """Render the prompt, send it, and take the whole answer."""
    request = await _render_request(backend, action, ctx, request, options, config, [writer])
    if call is not None:
        call.request = request
    started = time.perf_counter()
    place: int | None = None

    def take(chunk: Chunk) -> None:
        nonlocal place
        place = chunk.index if place is None else place
        writer.feed(chunk if chunk.index == place else _without_words(chunk), started)

    with RequestLog(backend, request) as log:
        limits = TimeLimits.of(options, stream=request.stream)
        await take_chunks(backend, request, limits, take, None if call is None else call.teller())
        _note_answers(backend, log, [writer])
    _check_prompt_read(backend, request, writer)
    _settle(backend, writer, started, options)


def _settle(backend: ModelAPI, writer: ThunkWriter, started: float, options: Mapping[str, Any]) -> None:
    logprobs = options.get(ModelOption.LOGPROBS)
    if logprobs and writer.is_without_logprobs:
        _report_missing_logprobs(backend, writer.warn)
    writer.settle(started, logprobs)


def _without_words(chunk: Chunk) -> Chunk:
    """Return what a piece of an answer that nobody asked for says of the one that was asked for."""
    return evolve(chunk, text="", thinking="", refusal="", finish_reason=None)


def _check_prompt_read(backend: ModelAPI, request: ChatRequest, writer: ThunkWriter) -> None:
    """Look whether the server has read the whole prompt, where that is text alone."""
    if not any(message.images or message.audio for message in request.messages):
        texts = [message.content for message in request.messages]
        check_prompt_read(texts, as_usage(writer.thunk.generation.usage), backend, writer.warn)


def _note_answers(backend: ModelAPI, log: RequestLog, writers: Sequence[ThunkWriter]) -> None:
    known = writers[0].thunk.generation
    usage = as_usage(known.usage)
    if log.notes_answers:
        ended = known.finish_reasons[-1] if known.finish_reasons else None
        log.answered([writer.thunk.text for writer in writers], usage, ended)
    pay(usage, backend, known.response_model)


async def _render_request(
    backend: ModelAPI,
    action: Span,
    ctx: Context,
    request: ChatRequest,
    options: dict[str, Any],
    config: GenerateConfig,
    writers: Sequence[ThunkWriter],
) -> ChatRequest:
    """Return the request with its messages, once everything they are made of is computed.

    What the model is told of its text stands below the last one. The writers are told what is sent.
    """
    spans = [*await ctx.view(backend), action]
    await resolve_all(spans)
    messages = backend.formatter.to_chat_messages(spans)
    if system := options.get(ModelOption.SYSTEM_PROMPT):
        messages = with_system_prompt(messages, str(system))
    offer = ToolOffer()
    if config.tool_calls:
        offer = ToolOffer.of(options, ctx.actions_for_available_tools() or (), action)
    request = request.with_messages(messages)
    request, tools, reader = await with_tools(
        backend, request, offer, options.get(ModelOption.MAX_NEW_TOKENS, backend.default_max_new_tokens)
    )
    sources, reading = _reading(spans, options, offer)
    for writer in writers:
        writer.offer(tools, reader, tells=not options.get(ModelOption.TOOL_LOOP))
        writer.read(sources, reading)
    if request.schema is not None and Capability.JSON_SCHEMA not in backend.capabilities:
        request = evolve(request, messages=_telling(request.schema.prompt(), request.messages), schema=None)
    if told := _told(config):
        request = request.with_messages(_telling(told, request.messages))
    _check_media(backend, request.messages)
    request = without_half_characters(request)
    for writer in writers:
        writer.send(request)
    return request


def _reading(
    spans: Sequence[Span], options: Mapping[str, Any], offer: ToolOffer
) -> tuple[Sources, Reading | None]:
    """Return what an answer comes from, and what tells it of the arguments of a call, if that matters."""
    if not offer.tools:
        return read_from(spans), None
    tools = tuple(offer.tools.values())
    sources = read_from(spans, tools)
    if not any(tool.side_effects or tool.trusted for tool in tools):
        return sources, None
    return sources, Reading(spans, str(options.get(ModelOption.SYSTEM_PROMPT) or ""), tools, offer.choice)


async def resolve_all(spans: Iterable[Span]) -> None:
    """Await, concurrently, every thunk in the spans that is not computed yet.

    Raises:
        MelleaError: The error of a thunk that failed.
    """
    pending = [
        thunk
        for span in spans
        if not (type(span) is Message and span.documents is None)  # it holds none, and there may be many
        for thunk in generate_walk(span)
    ]
    if pending:
        await asyncio.gather(*(thunk.avalue() for thunk in pending))


def _check_blocks(backend: ModelAPI, span: Span) -> None:
    """Refuse at once what the action itself contains; what only rendering shows is refused then."""
    missing = {Capability.IMAGES, Capability.AUDIO} - backend.capabilities
    if missing and is_component(span):
        for part in span.parts():
            _check_blocks(backend, part)
    elif Capability.IMAGES in missing and isinstance(span, ImageBlock | ImageUrlBlock):
        raise missing_capability(backend, Capability.IMAGES, ", and the prompt holds an image", hint=None)
    elif Capability.AUDIO in missing and isinstance(span, AudioBlock | AudioUrlBlock):
        raise missing_capability(backend, Capability.AUDIO, ", and the prompt holds audio", hint=None)


def _check_media(backend: ModelAPI, messages: Iterable[Message]) -> None:
    for message in messages:
        if message.images and Capability.IMAGES not in backend.capabilities:
            raise missing_capability(backend, Capability.IMAGES, ", and the prompt holds an image")
        if message.audio and Capability.AUDIO not in backend.capabilities:
            raise missing_capability(backend, Capability.AUDIO, ", and the prompt holds audio")


def _telling(wanted: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the messages with what is wanted of the output below the last one."""
    *before, last = messages
    content = f"{last.content}\n\n{wanted}" if last.content else wanted
    return (*before, evolve(last, content=content))


async def complete(
    backend: ModelAPI, actions: Sequence[Span], config: GenerateConfig
) -> list[ModelOutputThunk[Any]]:
    """Complete the plain texts of the actions in one batch. See ``Backend.generate_from_raw``."""
    if Capability.RAW not in backend.capabilities:
        raise missing_capability(backend, Capability.RAW)
    options, native = _options(backend, config)
    if config.tool_calls or options.get(ModelOption.TOOLS):
        raise missing_capability(backend, Capability.TOOLS, " for plain completion")
    if options.get(ModelOption.SYSTEM_PROMPT) is not None:
        report_unsupported(
            ["SYSTEM_PROMPT for plain completion"],
            backend=backend.provider,
            strict=backend.strict_options,
            reported=backend.reported_options(),
        )
    _check_logprobs(backend, options)
    schema = _schema_of(config)
    if schema is not None and Capability.JSON_SCHEMA not in backend.capabilities:
        raise missing_capability(backend, Capability.JSON_SCHEMA, " for plain completion")
    spans = [blockify(action) for action in actions]
    if not spans:
        return []
    await resolve_all(spans)
    prompts = tuple(backend.formatter.print(span) for span in spans)
    request = CompletionRequest(backend.model_id, prompts, native, schema, adapter_of(backend, options))
    check_affordable(backend)
    refuse_half_characters(request)
    if listens("generation"):
        from mellea.core.generation_hooks import note_request  # noqa: PLC0415  only where somebody listens

        note_request(request)
    with RequestLog(backend, request) as log:
        with InTime(backend, TimeLimits.of(options, stream=False)):
            completions = await answer_of(backend, asking_completions(backend, request))
        spent = total_usage([completion.usage for completion in completions])
        if log.notes_answers:
            log.answered([completion.text for completion in completions], spent, None)
        pay(spent, backend)
    if len(completions) != len(spans):
        raise MalformedResponseError(
            f"Backend {backend.provider!r} gave {len(completions)} completions for {len(spans)} prompts.",
            hint="Look at the backend: it answers each prompt once, in order.",
            backend=backend.provider,
            model_id=backend.model_id,
        )
    for prompt, completion in zip(prompts, completions, strict=True):
        check_prompt_read([prompt], completion.usage, backend, warn_caller)
        if options.get(ModelOption.LOGPROBS) and completion.text and not completion.logprobs:
            _report_missing_logprobs(backend, warn_caller)
    thunks: list[ModelOutputThunk[Any]] = [
        ModelOutputThunk(
            completion.text,
            action=parser_of(span),
            schema=schema,
            generation=GenerationMetadata(
                usage=completion.usage,
                model=backend.model_id,
                provider=backend.provider,
                finish_reasons=(completion.finish_reason,) if completion.finish_reason else None,
                unenforced=_unenforced(backend, schema),
                logprobs=with_alternatives(completion.logprobs, options.get(ModelOption.LOGPROBS)),
            ),
        )
        for span, completion in zip(spans, completions, strict=True)
    ]
    for span, thunk in zip(spans, thunks, strict=True):
        thunk.sources, _ = _reading([span], {}, ToolOffer())
    return thunks
