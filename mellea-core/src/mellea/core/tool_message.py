"""The message that tells a model what came of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field, setters

from mellea.core.message import Message
from mellea.core.tool_call import ModelToolCall

__all__ = ["ToolMessage"]


def _mapping(args: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return dict(args or {})


@define(eq=False, repr=False, slots=False, on_setattr=setters.frozen)
class ToolMessage(Message):
    """What came of a tool call.

    Args:
        role: ``tool``.
        content: What the model is told.
        tool_output: The tool's result itself; of a call that failed, the exception.
        name: The tool's name.
        args: The arguments that the tool was called with.
        tool: The call.
        failed: Whether the model is told of a failure: an error, a time-out, or a call that was not allowed.
        seconds: How long the call took.
    """

    _tool_output: Any = field(default=None, alias="tool_output")
    name: str = ""
    arguments: Mapping[str, Any] = field(default=None, alias="args", converter=_mapping)
    tool: ModelToolCall | None = None
    failed: bool = field(default=False, kw_only=True)
    seconds: float = field(default=0.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.tool is not None and self.tool_call_id is None:
            object.__setattr__(self, "tool_call_id", self.tool.tool_call_id)
        if self.tool_name is None and self.name:
            object.__setattr__(self, "tool_name", self.name)

    @property
    def tool_output(self) -> Any:
        """The tool's result itself."""
        return self._tool_output

    def __repr__(self) -> str:
        shown = self.content if len(self.content) <= 60 else f"{self.content[:60]}…"
        return f"ToolMessage(name={self.name!r}, arguments={dict(self.arguments)!r}, content={shown!r})"
