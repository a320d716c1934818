"""The verbs about objects: a question, and a change. What they are made of is in ``objects``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.event_loop import run_sync, synchronous
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingStrategy
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._act import aact, acted
from mellea.stdlib._signatures import QueryOptions, Tools, TransformOptions, waiting, with_options
from mellea.stdlib.sampling._default_strategy import DEFAULT_STRATEGY, needed_strategy
from mellea.stdlib.sampling._failure import warn_of_failure

if TYPE_CHECKING:
    from mellea.stdlib.tools.run import ToolRunner

__all__ = ["aquery", "atransform", "query", "transform"]


@with_options(QueryOptions)
async def aquery(
    obj: Any,
    query: str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy | None = DEFAULT_STRATEGY,
    strict: bool | None = None,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    tool_loop: bool | ToolRunner | None = None,
    await_result: bool = False,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Ask something about an object.

    With ``tool_calls`` the model may call the object's methods; with ``tool_loop`` the calls are carried out.

    By default a second attempt is made if the first one fails; there is one attempt when there is nothing to
    check.

    Args:
        obj: The object: any at all. What is no component is mified with the defaults.
        query: The question.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The answer, and the context with the question and the answer added.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The object cannot be asked about, or the call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    from mellea.stdlib.objects import has_tools, make_query  # noqa: PLC0415  few programs ask about objects

    action = make_query(obj, query)
    chosen = needed_strategy(strategy, requirements, format)
    return await aact(
        action,
        context,
        backend,
        requirements=requirements,
        strategy=chosen,
        strict=strict if chosen is strategy else None,
        steer=steer,
        format=format,
        model_options=model_options,
        tool_calls=tool_calls and (has_tools(action, backend) or tools is not None),
        tools=tools,
        tool_loop=tool_loop,
        await_result=await_result,
    )


@with_options(TransformOptions, strategy=DEFAULT_STRATEGY)
async def atransform(
    obj: Any, transformation: str, context: Context, backend: Backend, **options: Unpack[TransformOptions]
) -> tuple[Any, Context]:
    """Change an object, and return what came of it.

    The object itself changes only if the model calls its methods.

    The model may call them where the backend can. By default a second attempt is made if the answer cannot be
    read.

    Args:
        obj: The object: any at all. What is no component is mified with the defaults.
        transformation: What to change, in words.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The changed object (see ``objects.apply_transform``), and the context with the request and the answer
        added.

    Raises:
        OutputParseError: No attempt gave an answer that the object can read.
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The object cannot be changed, or the call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    from mellea.stdlib.objects import apply_transform, has_tools, make_transform  # noqa: PLC0415  few programs ask about objects

    action = make_transform(obj, transformation)
    options.setdefault("strategy", DEFAULT_STRATEGY)
    output, after = await acted(
        action,
        context,
        backend,
        tool_calls=has_tools(action, backend),
        await_result=True,
        warns=False,  # where the answer cannot be read, the error below says so
        **options,
    )
    changed = await apply_transform(action, output)
    warn_of_failure(output)
    return changed, after


@with_options(QueryOptions, strategy=DEFAULT_STRATEGY)
def query(
    obj: Any, query: str, context: Context, backend: Backend, **options: Unpack[QueryOptions]
) -> tuple[ModelOutputThunk[Any], Context]:
    """Synchronous twin of ``aquery``; it waits for the answer."""
    return run_sync(aquery(obj, query, context, backend, **waiting(options)))


transform = synchronous(atransform)
