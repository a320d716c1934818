"""Requirements on the tools that an output calls, and on what came of the calls.

Where the calls are carried out, those of all rounds that led to the output count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mellea.core.context import Context
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_message import ToolMessage

__all__ = ["tool_arg_validator", "tool_result_validator", "uses_tool"]


def _name(tool: str | Callable[..., Any]) -> str:
    return (
        tool if isinstance(tool, str) else str(getattr(tool, "name", None) or getattr(tool, "__name__", tool))
    )


def _rounds(ctx: Context) -> list[Any]:
    """Return the outputs and tool messages of the last answer, oldest first."""
    return [*_newest(ctx)][::-1]


def _newest(ctx: Context) -> Iterator[Any]:
    answered = False
    for span in ctx.newest_first():
        if isinstance(span, ModelOutputThunk):
            if answered and not span.tool_calls:
                return
            answered = True
        elif not isinstance(span, ToolMessage):
            return
        yield span


def _calls(ctx: Context) -> list[Any]:
    outputs = [span for span in _rounds(ctx) if isinstance(span, ModelOutputThunk)]
    return [call for output in outputs for call in output.tool_calls or ()]


def _others(calls: list[Any]) -> str:
    names = dict.fromkeys(call.name for call in calls)
    return f"; called: {', '.join(names)}" if names else "; no tool is called"


def uses_tool(tool_name: str | Callable[..., Any], check_only: bool = False) -> Requirement:
    """Return the requirement that the output calls a tool, given by its name or itself."""
    name = _name(tool_name)

    def check_calls(ctx: Context) -> ValidationResult:
        calls = _calls(ctx)
        if any(call.name == name for call in calls):
            return ValidationResult(True, reason=f"the tool {name} is called")
        return ValidationResult(False, reason=f"the tool {name} is not called{_others(calls)}")

    return Requirement(f"Use the tool {name}.", check_calls, check_only=check_only)


def tool_arg_validator(
    description: str,
    tool_name: str | Callable[..., Any] | None,
    arg_name: str,
    validation_fn: Callable[[Any], bool],
    check_only: bool = False,
) -> Requirement:
    """Return the requirement that an argument is right in every call of a tool, at least one.

    Args:
        description: The requirement in words.
        tool_name: The tool, by its name or itself; any tool when None.
        arg_name: The argument.
        validation_fn: Takes the argument's value.
        check_only: Whether to keep it out of the prompt.
    """
    name = None if tool_name is None else _name(tool_name)

    def right(ctx: Context) -> ValidationResult:
        every = _calls(ctx)
        calls = [call for call in every if name in (None, call.name) and arg_name in call.args]
        if not calls:
            missing = f"no call of {name or 'a tool'} has the argument {arg_name}"
            return ValidationResult(False, reason=f"{missing}{_others(every)}")
        wrong = [call for call in calls if not validation_fn(call.args[arg_name])]
        if not wrong:
            return ValidationResult(True)
        return ValidationResult(False, reason=f"{arg_name} of {wrong[0].name} is {wrong[0].args[arg_name]!r}")

    return Requirement(description, right, check_only=check_only)


def tool_result_validator(
    description: str,
    tool_name: str | Callable[..., Any] | None,
    validation_fn: Callable[[Any], bool],
    check_only: bool = False,
) -> Requirement:
    """Return the requirement that the result of a tool is right in every call that came to one, at least one.

    Args:
        description: The requirement in words.
        tool_name: The tool, by its name or itself; any tool when None.
        validation_fn: Takes the result itself.
        check_only: Whether to keep it out of the prompt.
    """
    name = None if tool_name is None else _name(tool_name)

    def right(ctx: Context) -> ValidationResult:
        results = [
            span
            for span in _rounds(ctx)
            if isinstance(span, ToolMessage) and not span.failed and name in (None, span.name)
        ]
        if not results:
            return ValidationResult(False, reason=f"no call of {name or 'a tool'} came to a result")
        wrong = [one for one in results if not validation_fn(one.tool_output)]
        return ValidationResult(
            not wrong,
            reason=f"the result of {wrong[0].name} is {wrong[0].content[:200]!r}" if wrong else None,
        )

    return Requirement(description, right, check_only=check_only)
