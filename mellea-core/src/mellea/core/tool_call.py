"""Tool calls that a model asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

__all__ = ["ModelToolCall"]


@frozen
class ModelToolCall:
    """A tool call that the model asks for.

    Args:
        name: The tool's name.
        func: The tool; ``func.run(**args)`` carries the call out.
        args: Arguments by name.
        tool_call_id: The provider's id of the call.
    """

    name: str
    func: Any = field(repr=False)
    args: Mapping[str, Any] = field(factory=dict)
    tool_call_id: str | None = None

    def call_func(self) -> Any:
        """Carry the call out and return what the tool returns."""
        run: Callable[..., Any] = self.func.run
        return run(**self.args)
