"""Tool calls that a model asks for."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from attrs import define, field, setters

__all__ = ["AbstractMelleaTool", "ModelToolCall", "call_fields", "openai_call"]

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


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
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


def openai_call(call: ModelToolCall | Mapping[str, Any], *, make_id: bool = False) -> dict[str, Any]:
    """Return a call in the shape of OpenAI's chat completions; one that has it already stays as it is.

    Args:
        call: The call.
        make_id: Whether to make up an id where there is none.
    """
    if isinstance(call, Mapping):
        return call if isinstance(call, dict) else dict(call)
    known = call.tool_call_id or (f"call_{secrets.token_hex(12)}" if make_id else None)
    function = {"name": call.name, "arguments": json.dumps(dict(call.args))}
    return {"id": known, "type": "function", "function": function}


def call_fields(call: ModelToolCall | Mapping[str, Any]) -> tuple[str | None, str, Mapping[str, Any]]:
    """Return the id, the name and the arguments of a call in either shape."""
    if not isinstance(call, Mapping):
        return call.tool_call_id, call.name, call.args
    function = call.get("function") or {}
    said = function.get("arguments") or {}
    try:
        arguments = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        arguments = {}
    known = arguments if isinstance(arguments, Mapping) else {}
    return call.get("id"), str(function.get("name") or ""), known
