"""One generation, from an action and a context to a filled thunk.

Everything that all backends have in common.

``start_chat`` checks what can be checked at once and returns a thunk; a task then resolves the thunks that
the prompt depends on, renders it, and feeds the thunk with the backend's chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core._chunk_stream import InTime, answer_of, make_ready, take_chunks
from mellea.core._thunk_writer import ThunkWriter
from mellea.core.adapter import adapter_of, for_adapter
from mellea.core.asking import Ask, check_logprobs, options_of, schema_of, unenforced
from mellea.core.budget import check_affordable, pay
from mellea.core.call_site import warn_caller, warner_from_here
from mellea.core.capabilities import Capability
from mellea.core.component import Component, Span, blockify, is_component
from mellea.core.errors import MalformedResponseError, ProviderError
from mellea.core.generate_config import GenerateConfig
from mellea.core.half_characters import refuse_half_characters
from mellea.core.hooks import around, listens
from mellea.core.journal import asking_completions
from mellea.core.logprobs import with_alternatives
from mellea.core.metadata import GenerationMetadata
from mellea.core.model_api import ModelAPI, missing_capability
from mellea.core.options import ModelOption, report_unsupported
from mellea.core.prompt_cut import check_prompt_read
from mellea.core.prompting import reading_of, render, resolve_all
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_log import RequestLog
from mellea.core.response import Chunk, as_usage, total_usage
from mellea.core.schema import OutputSchema
from mellea.core.steering.casing import Casing
from mellea.core.steering.decode import TextDecoder
from mellea.core.steering.field_casing import FieldCasing
from mellea.core.text_pattern import TextPattern
from mellea.core.thunk import ModelOutputThunk
from mellea.core.time_limits import TimeLimits
from mellea.core.tool_offer import ToolOffer

if TYPE_CHECKING:
    from mellea.core.context import Context
    from mellea.core.generation_hooks import GenerationCall

__all__ = ["complete", "parser_of", "sample_n", "start_chat"]


def start_chat(
    backend: ModelAPI, action: Span, ctx: Context, config: GenerateConfig
) -> ModelOutputThunk[Any]:
    """Return a thunk that a task on the running loop fills with the answer to ``action``.

    Raises:
        UsageError: The format, an option or a capability is wrong; nothing was sent.
    """
    action = blockify(action)
    ask = Ask.of(backend, action, config)
    writer = _writer(ask)
    call: GenerationCall | None = None
    if listens("generation"):
        from mellea.core.generation_hooks import begun_here  # noqa: PLC0415  only where somebody listens

        call = begun_here()
    writer.start(_fill(ask, ctx, writer, call))
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
    action, config, _ = for_adapter(backend, action, config)
    if Capability.N_SAMPLES not in backend.capabilities:
        raise missing_capability(backend, Capability.N_SAMPLES, hint=None)
    ask = Ask.of(backend, action, config.under({ModelOption.STREAM: False}))
    ask = evolve(ask, request=evolve(ask.request, n=n))
    writers = [_writer(ask) for _ in range(n)]
    request = await render(ask, ctx, writers)
    for call in calls:
        call.request = request
    answered = set()

    def take(chunk: Chunk) -> None:
        if chunk.index < n:
            answered.add(chunk.index)
            writers[chunk.index].feed(chunk)

    with RequestLog(backend, request) as log:
        await take_chunks(backend, request, TimeLimits.of(ask.options, stream=False), take)
        _note_answers(backend, log, writers)
    refused = [(index, refusal) for index in sorted(answered) if (refusal := writers[index].refusal())]
    if refused and len(refused) == len(answered):
        raise refused[0][1]
    _check_prompt_read(backend, request, writers[0])
    given = sorted(answered - {index for index, _ in refused})
    for index in given:
        _settle(ask, writers[index])
        writers[index].finish()
    return {index: writers[index].thunk for index in given}


def _report_missing_logprobs(backend: ModelAPI, warn: Callable[[Warning], None]) -> None:
    """Say that a server gave no log-probabilities, although it was asked for them and wrote something."""
    report_unsupported(
        ["LOGPROBS: its server gave none"],
        backend=backend.provider,
        strict=backend.strict_options,
        reported=backend.reported_options(),
        warn=warn,
    )


def parser_of(action: Span) -> Component[Any] | None:
    """Return what reads the answer to an action: the action itself, unless it is plain text."""
    return action if is_component(action) else None


def _writer(ask: Ask) -> ThunkWriter:
    backend, action, request = ask.backend, ask.action, ask.request
    known = GenerationMetadata(
        model=backend.model_id,
        provider=backend.provider,
        streaming=request.stream,
        unenforced=unenforced(backend, request.schema),
    )
    warn = warner_from_here()
    held = ask.config.format
    if isinstance(held, TextPattern):
        decoder = None if backend.plain_patterns else TextDecoder()
        casing = None if held.case is None else Casing(held.case)
        return ThunkWriter(parser_of(action), None, known, warn, decoder, casing)
    cases = held.cases if isinstance(held, OutputSchema) else None
    of_fields = FieldCasing(cases) if cases else None
    return ThunkWriter(parser_of(action), request.schema, known, warn, casing=of_fields)


async def _fill(ask: Ask, ctx: Context, writer: ThunkWriter, call: GenerationCall | None) -> None:
    """Fill the thunk; whoever watches is told how that ends before anybody else knows."""
    try:
        if call is None:
            await _answer(ask, ctx, writer)
        else:
            with around(call.generation_id):
                await _answer(ask, ctx, writer, call)
        if writer.is_watched:
            await writer.tell_end()
    except BaseException as error:
        if writer.is_watched:
            await writer.tell_failure(error)
        raise
    writer.finish()


async def _answer(ask: Ask, ctx: Context, writer: ThunkWriter, call: GenerationCall | None = None) -> None:
    """Render the prompt, send it, and take the whole answer."""
    backend, request = ask.backend, await render(ask, ctx, [writer])
    if call is not None:
        call.request = request
    with RequestLog(backend, request) as log:
        limits = TimeLimits.of(ask.options, stream=request.stream)
        await take_chunks(backend, request, limits, writer.feed_one, None if call is None else call.teller())
        _note_answers(backend, log, [writer])
    _check_prompt_read(backend, request, writer)
    _settle(ask, writer)


def _settle(ask: Ask, writer: ThunkWriter) -> None:
    logprobs = ask.options.get(ModelOption.LOGPROBS)
    if logprobs and writer.is_without_logprobs:
        _report_missing_logprobs(ask.backend, writer.warn)
    writer.settle(logprobs)


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


async def complete(
    backend: ModelAPI, actions: Sequence[Span], config: GenerateConfig
) -> list[ModelOutputThunk[Any]]:
    """Complete the plain texts of the actions in one batch. See ``Backend.generate_from_raw``."""
    if Capability.RAW not in backend.capabilities:
        raise missing_capability(backend, Capability.RAW)
    options, native = options_of(backend, config)
    if config.tool_calls or options.get(ModelOption.TOOLS):
        raise missing_capability(backend, Capability.TOOLS, " for plain completion")
    if options.get(ModelOption.SYSTEM_PROMPT) is not None:
        report_unsupported(
            ["SYSTEM_PROMPT for plain completion"],
            backend=backend.provider,
            strict=backend.strict_options,
            reported=backend.reported_options(),
        )
    check_logprobs(backend, options)
    schema = schema_of(config)
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
                unenforced=unenforced(backend, schema),
                logprobs=with_alternatives(completion.logprobs, options.get(ModelOption.LOGPROBS)),
                logits=completion.logits,
                raw_logits=completion.raw_logits,
            ),
        )
        for span, completion in zip(spans, completions, strict=True)
    ]
    for span, thunk in zip(spans, thunks, strict=True):
        thunk.sources, _ = reading_of([span], {}, ToolOffer())
    return thunks
