"""Questions about objects and changes of them, for the verbs ``query`` and ``transform``.

An object is an ``MObject``, a mified object, any other span, or any Python object at all, which is then
mified with the defaults. Its methods are offered as tools to backends that declare ``Capability.TOOLS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mellea.core.backend import Backend
from mellea.core.blocks import CBlock
from mellea.core.capabilities import Capability
from mellea.core.component import Component, TemplateRepresentation
from mellea.core.errors import OutputParseError, ToolArgumentsError
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool import Tool
from mellea.core.tool_call import ModelToolCall
from mellea.stdlib.components.mify import mify
from mellea.stdlib.components.mobject import Query, Transform, is_span
from mellea.stdlib.tools.policy import ToolPolicy, denial

__all__ = ["apply_transform", "has_tools", "make_query", "make_transform"]


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

    Every tool call is carried out, in order. The result is the first value of the object's own type, else the
    first value, else the object, which its methods changed. Without a tool call it is what the object reads
    in the answer; the output itself, if the object reads nothing but text.

    Raises:
        OutputParseError: The object cannot read the answer, or the model called a tool that the object does
            not have.
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
        values.append(await _called(tool, call))
    of_its_type = [value for value in values if isinstance(value, action.obj.__class__)]
    return next((value for value in (*of_its_type, *values) if value is not None), action.obj)


async def _called(tool: Any, call: ModelToolCall) -> Any:
    """Return what a tool returns.

    Raises:
        OutputParseError: The arguments do not fit it, or the call is not allowed.
    """
    made = Tool.of(tool)
    if made.side_effects and (why := denial(call, ToolPolicy()(call), asks=False)):
        raise OutputParseError(why, hint="Let a ToolRunner with approve=... carry it out.")
    try:
        arguments = made.arguments(call.args)
    except ToolArgumentsError as error:
        raise OutputParseError(error.message, hint=error.hint) from error
    value = made.function(**arguments)
    return await value if inspect.isawaitable(value) else value
