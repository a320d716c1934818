"""Starting a checked stream."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from mellea.core.backend import Backend
from mellea.core.budget import Budget, Spending
from mellea.core.chunking import ChunkingStrategy, get_chunking
from mellea.core.component import Component, Span, blockify
from mellea.core.context import Context
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.hooks import around, listens, within
from mellea.core.judges import backend_of, judge_in_force
from mellea.core.requirement import Requirement
from mellea.stdlib._generate import refuse_rounds
from mellea.stdlib.requirements.validate import judged_by
from mellea.stdlib.sampling._request import SamplingRequest, check_count, requirements_of
from mellea.stdlib.sampling._steering import steer_request
from mellea.stdlib.sampling.repair import RepairTemplateStrategy
from mellea.stdlib.streaming._attempts import RepairFunction, StreamAttempts, StreamRequest
from mellea.stdlib.streaming.event_streamer import EventStreamer
from mellea.stdlib.streaming.streamer import Streamer

if TYPE_CHECKING:
    from mellea.stdlib.streaming._told import ToldStream

__all__ = ["stream"]

T = TypeVar("T")


@overload
async def stream(
    action: Span | str,
    backend: Backend,
    ctx: Context,
    *,
    format: type[T],
    chunking: str | ChunkingStrategy | None = None,
    requirements: Iterable[Requirement | str] | None = None,
    validation_backend: Backend | None = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    steer: bool | None = None,
    loop_budget: int = 1,
    repair: RepairFunction | None = None,
) -> Streamer[T]: ...


@overload
async def stream(
    action: Component[T],
    backend: Backend,
    ctx: Context,
    *,
    chunking: str | ChunkingStrategy | None = None,
    requirements: Iterable[Requirement | str] | None = None,
    validation_backend: Backend | None = None,
    format: None = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    steer: bool | None = None,
    loop_budget: int = 1,
    repair: RepairFunction | None = None,
) -> Streamer[T]: ...


@overload
async def stream(
    action: Span | str,
    backend: Backend,
    ctx: Context,
    *,
    chunking: str | ChunkingStrategy | None = None,
    requirements: Iterable[Requirement | str] | None = None,
    validation_backend: Backend | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    steer: bool | None = None,
    loop_budget: int = 1,
    repair: RepairFunction | None = None,
) -> Streamer[Any]: ...


@overload
async def stream(
    action: Span | str,
    backend: Backend,
    ctx: Context,
    *,
    as_events: Literal[True],
    chunking: str | ChunkingStrategy | None = None,
    requirements: Iterable[Requirement | str] | None = None,
    validation_backend: Backend | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    loop_budget: int = 1,
    repair: RepairFunction | None = None,
) -> EventStreamer: ...


async def stream(
    action: Span | str,
    backend: Backend,
    ctx: Context,
    *,
    chunking: str | ChunkingStrategy | None = None,
    requirements: Iterable[Requirement | str] | None = None,
    validation_backend: Backend | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    steer: bool | None = None,
    loop_budget: int = 1,
    repair: RepairFunction | None = None,
    as_events: bool = False,
) -> Any:
    """Start a generation whose text is checked while it is written.

    The text is cut into chunks. Each requirement that has a ``stream_validate`` looks at each chunk before
    the reader gets it; when one says ``fail``, the generation is stopped at the provider and the chunk is not
    handed on. A text that comes to its end is parsed and validated against all requirements, judges included,
    as by a sampling strategy.

    With a ``loop_budget`` above one, a failed attempt is repaired and started again. The reader is told: by a
    ``RetryEvent`` among ``events()``, and by a ``StreamRestartedError`` when iterating over the text. See
    ``Streamer`` for reading it.

    A requirement is copied (``copy.copy``) for each attempt, so that what its ``stream_validate`` remembers
    in attributes is that attempt's own, and two streams share nothing. It is given the conversation with the
    output on its way as ``ctx``.

    Args:
        action: What the model is asked.
        backend: What generates.
        ctx: The conversation that led here.
        chunking: Where to cut: ``word``, ``sentence``, ``paragraph`` or a strategy; None for the pieces as
            they come.
        requirements: What the text must respect. They are not added to the prompt: an ``Instruction`` shows
            its own.
        validation_backend: Judges, where a requirement names no judge; by default the one that generates.
        format: A pydantic class or JSON schema that the text must fit.
        model_options: Options of the generation. With a seed, each attempt draws with one of its own.
        tool_calls: Whether the model may call tools; its calls are in the output's ``tool_calls``.
        steer: Whether requirements that have a form steer the decoding, where the backend can; by default
            they do.
        loop_budget: Attempts.
        repair: Says what to ask after a failed attempt, as a strategy's ``repair`` does, for instance
            ``MultiTurnStrategy.repair``; by default ``RepairTemplateStrategy.repair``, which says what was
            wrong.
        as_events: Whether to return an ``EventStreamer``, which is read by its events.

    Returns:
        The stream, already on its way.

    Raises:
        UsageError: The call cannot be carried out as it was written; nothing was sent.
    """
    check_count("loop_budget", loop_budget)
    backend = as_backend(backend)
    judge = judge_in_force() if validation_backend is None else validation_backend
    call = SamplingRequest(
        blockify(action),
        await ctx.prepare(backend),
        backend,
        backend_of(judge, backend),
        judged_by(judge, requirements_of(requirements)),
        GenerateConfig(format, model_options, tool_calls, stream=True).steered(steer),
        rounds=loop_budget,
        lanes=1,
        at_once=1,
        spare_judges=True,
        spending=Spending(Budget()),
    )
    refuse_rounds("stream", call.config)
    call = await steer_request(call)
    chosen = None if chunking is None else get_chunking(chunking)
    run = StreamAttempts(StreamRequest(call, chosen, repair or RepairTemplateStrategy.repair))
    streaming_id = uuid.uuid4().hex
    told = await _begun(streaming_id, run) if listens("any") else None
    if told is None:
        await run.begin(call.action, call.context)
    streamer: Streamer[Any] = Streamer(run, streaming_id, told)
    return EventStreamer(streamer) if as_events else streamer


async def _begun(streaming_id: str, run: StreamAttempts) -> ToldStream:
    """Begin a stream of which the handlers of hooks are told."""
    from mellea.stdlib.streaming._told import ToldStream  # noqa: PLC0415  only where somebody listens

    told = ToldStream(streaming_id, run.plan)
    with within(told.scope):
        await told.begin()
        try:
            with around(streaming_id):
                await run.begin(run.plan.call.action, run.plan.call.context)
        except BaseException as error:
            await told.failed(error)
            raise
    return told
