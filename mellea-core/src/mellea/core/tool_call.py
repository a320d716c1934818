"""Tool calls that a model asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from attrs import field, frozen

__all__ = ["AbstractMelleaTool", "ModelToolCall"]

P = ParamSpec("P")
R = TypeVar("R")


class AbstractMelleaTool(ABC, Generic[P, R]):
    """A tool: its name, what carries a call out, and how the model is told of it."""

    name: str
    """The name under which the model calls it."""

    @abstractmethod
    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry a call out."""

    @property
    @abstractmethod
    def as_json_tool(self) -> dict[str, Any]:
        """The tool in the shape of OpenAI's function schemas."""


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
