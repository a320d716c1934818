"""Tools of other frameworks, under their own names and schemas."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from mellea.core.errors import UsageError

__all__ = ["langchain_parts", "smolagents_parts"]


def langchain_parts(tool: Any) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """Return name, function and schema of a tool of LangChain's, which validates its arguments itself.

    Raises:
        ImportError: ``langchain-core`` is not installed.
        UsageError: It is no such tool.
    """
    try:
        from langchain_core.tools import BaseTool  # noqa: PLC0415
        from langchain_core.utils.function_calling import convert_to_openai_tool  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            'langchain-core is not installed. Install it with: pip install "mellea-core[langchain]"'
        ) from error
    if not isinstance(tool, BaseTool):
        raise UsageError(
            f"{type(tool).__name__} is no tool of LangChain's.", hint="Pass a langchain_core.tools.BaseTool."
        )
    name: str = tool.name
    takes_turns = getattr(tool, "func", tool) is None and getattr(tool, "coroutine", None) is not None
    call = tool.ainvoke if takes_turns else tool.run
    return name, _by_keywords(name, call), convert_to_openai_tool(tool)


def smolagents_parts(tool: Any) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """Return name, function and schema of a tool of smolagents'.

    Raises:
        ImportError: ``smolagents`` is not installed.
        UsageError: It is no such tool.
    """
    try:
        from smolagents import Tool as SmolagentsTool  # noqa: PLC0415
        from smolagents.models import get_tool_json_schema  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            'smolagents is not installed. Install it with: pip install "mellea-core[smolagents]"'
        ) from error
    if not isinstance(tool, SmolagentsTool):
        raise UsageError(
            f"{type(tool).__name__} is no smolagents Tool.", hint="Pass an instance of smolagents.Tool."
        )
    name: str = tool.name

    def forward(given: dict[str, Any]) -> Any:
        return tool.forward(**given)

    return name, _by_keywords(name, forward), get_tool_json_schema(tool)


def _by_keywords(name: str, call: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    """Return a function that hands its keywords on as one mapping."""

    @functools.wraps(call)
    def called(*args: Any, **kwargs: Any) -> Any:
        if args:
            warnings.warn(f"{name}: ignoring unexpected args {args!r}", UserWarning, stacklevel=2)
        return call(kwargs)

    return called
