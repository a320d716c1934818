"""Requirements on the tools that an output calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mellea.core.context import Context
from mellea.core.requirement import Requirement, ValidationResult

__all__ = ["tool_arg_validator", "uses_tool"]


def _name(tool: str | Callable[..., Any]) -> str:
    return (
        tool if isinstance(tool, str) else str(getattr(tool, "name", None) or getattr(tool, "__name__", tool))
    )


def _calls(ctx: Context, name: str | None) -> list[Any]:
    output = ctx.last_output()
    calls = (output.tool_calls or ()) if output is not None else ()
    return [call for call in calls if name is None or call.name == name]


def uses_tool(tool_name: str | Callable[..., Any], check_only: bool = False) -> Requirement:
    """Return the requirement that the output calls a tool, given by its name or itself."""
    name = _name(tool_name)

    def check_calls(ctx: Context) -> ValidationResult:
        calls = _calls(ctx, name)
        return ValidationResult(
            bool(calls), reason=f"the tool {name} is {'called' if calls else 'not called'}"
        )

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
        calls = [call for call in _calls(ctx, name) if arg_name in call.args]
        if not calls:
            return ValidationResult(
                False, reason=f"no call of {name or 'a tool'} has the argument {arg_name}"
            )
        wrong = [call for call in calls if not validation_fn(call.args[arg_name])]
        return ValidationResult(
            not wrong, reason=f"{arg_name} is {wrong[0].args[arg_name]!r}" if wrong else None
        )

    return Requirement(description, right, check_only=check_only)
