"""Asking about objects and changing them, with the state made explicit.

An object is an ``MObject``, a mified object, any other span, or any Python object at all, which is then mified with the
defaults. Its methods are offered as tools to backends that declare ``Capability.TOOLS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from mellea.core.backend import Backend
from mellea.core.blocks import CBlock
from mellea.core.capabilities import Capability
from mellea.core.component import Component, TemplateRepresentation
from mellea.core.context import Context
from mellea.core.errors import OutputParseError
from mellea.core.event_loop import run_sync
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingStrategy
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.components.mify import mify
from mellea.stdlib.components.mobject import Query, Transform, is_span
from mellea.stdlib.sampling._request import requirements_of
from mellea.stdlib.sampling.repair import RejectionSamplingStrategy

__all__ = [
    "apply_transform",
    "aquery",
    "atransform",
    "has_tools",
    "make_query",
    "make_transform",
    "query",
    "transform",
]


def _askable(obj: Any) -> Any:
    if isinstance(obj, str):
        return CBlock(obj)
    return obj if is_span(obj) else mify(obj)


def make_query(obj: Any, query: str) -> Query:
    """Return the question about an object, as the object's own kind of query where it has one."""
    askable = _askable(obj)
    asked: Query = (
        askable.get_query_object(query) if hasattr(askable, "get_query_object") else Query(askable, query)
    )
    return asked


def make_transform(obj: Any, transformation: str) -> Transform:
    """Return the change of an object, as the object's own kind of transformation where it has one."""
    askable = _askable(obj)
    if not hasattr(askable, "get_transform_object"):
        return Transform(askable, transformation)
    changed: Transform = askable.get_transform_object(transformation)
    return changed


def has_tools(action: Component[Any], backend: Backend) -> bool:
    """Tell whether a component brings tools that the backend can call."""
    return Capability.TOOLS in backend.capabilities and bool(_tools(action))


def _tools(action: Component[Any]) -> Mapping[str, Any]:
    shown = action.format_for_llm()
    return (shown.tools or {}) if isinstance(shown, TemplateRepresentation) else {}


async def apply_transform(action: Transform, output: ModelOutputThunk[Any]) -> Any:
    """Return what a transformation comes to.

    Every tool call is carried out, in order. The result is the first value of the object's own type, else the first value,
    else the object, which its methods changed. Without a tool call it is what the object reads in the answer; the output
    itself, if the object reads nothing but text.

    Raises:
        OutputParseError: The object cannot read the answer, or the model called a tool that the object does not have.
    """
    if not output.tool_calls:
        meant = output.parsed
        return output if isinstance(meant, str) else meant
    tools = _tools(action)
    values = []
    for call in output.tool_calls:
        tool = call.func if call.func is not None else tools.get(call.name)
        if tool is None:
            raise OutputParseError(
                f"The model called {call.name}, which the object does not have.", hint="Ask again."
            )
        value = tool.run(**call.args)
        values.append(await value if inspect.isawaitable(value) else value)
    of_its_type = [value for value in values if isinstance(value, action.obj.__class__)]
    return next((value for value in (*of_its_type, *values) if value is not None), action.obj)


async def aquery(
    obj: Any,
    query: str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: SamplingStrategy | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Ask something about an object.

    Args:
        obj: The object.
        query: The question.
        context: The conversation that led here.
        backend: What generates.
        requirements: What the answer must respect.
        strategy: How attempts are made and repaired; by default two, by rejection.
        format: A pydantic class or JSON schema that the answer must fit.
        model_options: Options of this call.
        tool_calls: Whether the model may call the object's methods, where the backend can; calls are left to the caller.

    Returns:
        The answer, and the context with the question and the answer added.

    Raises:
        UsageError: The object cannot be asked about, or the call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    action = make_query(obj, query)
    result = await (strategy or RejectionSamplingStrategy(loop_budget=2)).sample(
        action,
        context,
        backend,
        requirements_of(requirements),
        format=format,
        model_options=model_options,
        tool_calls=tool_calls and has_tools(action, backend),
    )
    return result.result, result.result_ctx


async def atransform(
    obj: Any,
    transformation: str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: SamplingStrategy | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
) -> tuple[Any, Context]:
    """Change an object. The arguments are those of ``aquery``; the model may call the object's methods where the backend can.

    Returns:
        The changed object (see ``apply_transform``), and the context with the request and the answer added.

    Raises:
        OutputParseError: No attempt gave an answer that the object can read.
        UsageError: The object cannot be changed, or the call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    action = make_transform(obj, transformation)
    result = await (strategy or RejectionSamplingStrategy(loop_budget=2)).sample(
        action,
        context,
        backend,
        requirements_of(requirements),
        format=format,
        model_options=model_options,
        tool_calls=has_tools(action, backend),
    )
    return await apply_transform(action, result.result), result.result_ctx


def query(
    obj: Any, query: str, context: Context, backend: Backend, **kwargs: Any
) -> tuple[ModelOutputThunk[Any], Context]:
    """Synchronous face of ``aquery``."""
    return run_sync(aquery(obj, query, context, backend, **kwargs))


def transform(
    obj: Any, transformation: str, context: Context, backend: Backend, **kwargs: Any
) -> tuple[Any, Context]:
    """Synchronous face of ``atransform``."""
    return run_sync(atransform(obj, transformation, context, backend, **kwargs))
