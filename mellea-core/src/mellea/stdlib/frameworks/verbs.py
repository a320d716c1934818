"""The verbs of agents with their state made explicit; ``mellea.stdlib.functional`` has them too."""

from __future__ import annotations

from typing import Any, TypeVar, Unpack, overload

from mellea.core.backend import Backend
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.event_loop import run_sync
from mellea.core.thunk import ComputedModelOutputThunk
from mellea.stdlib._signatures import ReactOptions, with_options
from mellea.stdlib.frameworks.agent_run import AgentRun
from mellea.stdlib.frameworks.react import begin_react

__all__ = ["areact", "astream_react", "react", "stream_react"]

M = TypeVar("M")


@overload
async def areact(
    goal: str | Span, context: Context, backend: Backend, *, format: type[M], **options: Unpack[ReactOptions]
) -> tuple[ComputedModelOutputThunk[M], Context]: ...
@overload
async def areact(
    goal: str | Span, context: Context, backend: Backend, *, format: None = None,
    **options: Unpack[ReactOptions],
) -> tuple[ComputedModelOutputThunk[str], Context]: ...  # fmt: skip
@overload
async def areact(
    goal: str | Span, context: Context, backend: Backend, *, format: Any, **options: Unpack[ReactOptions]
) -> tuple[ComputedModelOutputThunk[Any], Context]: ...
@with_options(ReactOptions)
async def areact(
    goal: str | Span, context: Context, backend: Backend, *, format: Any = None, **options: Any
) -> tuple[Any, Context]:
    """Let an agent come to a goal: the model calls tools, turn by turn, until an answer stands.

    Without a budget there are ten turns, in the last of which the model is made to answer, where the backend
    can.

    Args:
        goal: What is to be done.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The answer, whose ``sampling`` has every turn; and the conversation with everything that led to it.

    Raises:
        BudgetError: The budget is spent; its ``result`` has every turn, and the best attempt.
        UsageError: The agent cannot be carried out as it was written; nothing was sent.
        ProviderError: The provider failed.
    """
    run = await begin_react(goal, context, backend, format=format, **options)
    await run.acomplete()
    return run.output, run.context


@overload
def react(
    goal: str | Span, context: Context, backend: Backend, *, format: type[M], **options: Unpack[ReactOptions]
) -> tuple[ComputedModelOutputThunk[M], Context]: ...
@overload
def react(
    goal: str | Span, context: Context, backend: Backend, *, format: None = None,
    **options: Unpack[ReactOptions],
) -> tuple[ComputedModelOutputThunk[str], Context]: ...  # fmt: skip
@overload
def react(
    goal: str | Span, context: Context, backend: Backend, *, format: Any, **options: Unpack[ReactOptions]
) -> tuple[ComputedModelOutputThunk[Any], Context]: ...
@with_options(ReactOptions)
def react(
    goal: str | Span, context: Context, backend: Backend, *, format: Any = None, **options: Any
) -> tuple[Any, Context]:
    """Synchronous twin of ``areact``."""
    done: tuple[Any, Context] = run_sync(areact(goal, context, backend, format=format, **options))
    return done


@with_options(ReactOptions)
async def astream_react(
    goal: str | Span, context: Context, backend: Backend, *, format: Any = None, **options: Any
) -> AgentRun[Any]:
    """Return the run of an agent, to be read by its events.

    ``async for event in ...``. The agent goes on only while somebody reads.

    Args:
        goal: What is to be done.
        context: The conversation that led here.
        backend: What generates.

    Raises:
        UsageError: The agent cannot be carried out as it was written; nothing was sent.
    """
    return await begin_react(goal, context, backend, format=format, **options)


@with_options(ReactOptions)
def stream_react(
    goal: str | Span, context: Context, backend: Backend, *, format: Any = None, **options: Any
) -> AgentRun[Any]:
    """Synchronous twin of ``astream_react``: ``for event in ...``."""
    return run_sync(astream_react(goal, context, backend, format=format, **options), starts_only=True)
