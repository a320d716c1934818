"""Tool calls that a model asks for: the fragments in which they come, and the whole calls."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from attrs import define, evolve, field, frozen, setters

from mellea.core.errors import ToolArgumentsError, UsageError
from mellea.core.pickling import picklable_or_none
from mellea.core.tool import AbstractMelleaTool, Tool

if TYPE_CHECKING:
    from mellea.core.sources import CallSources

__all__ = [
    "AbstractMelleaTool",
    "CallAssembler",
    "ModelToolCall",
    "ToolCallFragment",
    "call_fields",
    "openai_call",
]

_QUOTED = 200
"""Characters of arguments that an error quotes."""


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class ModelToolCall:
    """A tool call that the model asks for.

    Args:
        name: The tool's name.
        func: The tool; ``func.run(**args)`` carries the call out. None for one that was not offered.
        args: Arguments by name.
        tool_call_id: The provider's id of the call.
        problem: Why the call cannot be carried out as it came, such as arguments that are no JSON.
        sources: Where its arguments come from; known of a tool with side effects, and of one that is trusted.
    """

    name: str
    func: Any = field(repr=False)
    args: Mapping[str, Any] = field(factory=dict)
    tool_call_id: str | None = None
    problem: str | None = field(default=None, kw_only=True)
    sources: CallSources | None = field(default=None, kw_only=True, eq=False, repr=False)

    def call_func(self) -> Any:
        """Carry the call out and return what the tool returns.

        Raises:
            ToolArgumentsError: The arguments do not fit the tool, or cannot be read.
            UsageError: There is no such tool.
        """
        if self.func is None:
            raise UsageError(f"There is no tool {self.name}.", hint="Offer it, or leave the call out.")
        if self.problem is not None:
            raise ToolArgumentsError(self.problem)
        if isinstance(self.func, Tool):
            return self.func.run(**self.func.arguments(self.args))
        return self.func.run(**self.args)

    def with_args(self, args: Mapping[str, Any]) -> Self:
        """Return the call with other arguments."""
        return evolve(self, args=dict(args))

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        shared = {"func": self.func}  # a tool is no part of what asks for it
        twin = object.__new__(type(self))
        rest = {name: value for name, value in vars(self).items() if name not in shared}
        vars(twin).update(copy.deepcopy(rest, memo), **shared)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "func": picklable_or_none(self.func)}


@frozen
class ToolCallFragment:
    """A piece of a tool call.

    Args:
        index: Which of the answer's calls it belongs to.
        tool_call_id: The provider's id of the call; said with its first piece.
        name: The tool's name, or a piece of it.
        arguments: The next piece of the arguments as JSON text, or the arguments themselves.

    Raises:
        TypeError: A part is of another type.
    """

    index: int = 0
    tool_call_id: str | None = None
    name: str = ""
    arguments: str | Mapping[str, Any] = ""

    def __attrs_post_init__(self) -> None:
        if type(self.index) is not int or not isinstance(self.name, str):
            raise TypeError(f"a tool call's index is a number and its name text, not {self!r}")
        if not isinstance(self.tool_call_id, str | None) or not isinstance(self.arguments, str | Mapping):
            raise TypeError(f"a tool call's id is text, its arguments text or a mapping, not {self!r}")


@define
class _Begun:
    index: int
    tool_call_id: str | None
    name: str = ""
    pieces: list[str] = field(factory=list)
    whole: Mapping[str, Any] | None = None


class CallAssembler:
    """Puts the calls of one answer together from their fragments, in the order in which they began."""

    def __init__(self) -> None:
        self._begun: list[_Begun] = []

    def __bool__(self) -> bool:
        return bool(self._begun)

    def feed(self, fragments: Sequence[ToolCallFragment]) -> None:
        """Take the next fragments."""
        for fragment in fragments:
            call = self._call_of(fragment)
            if fragment.name and fragment.name != call.name:  # some servers say the name with every piece
                call.name += fragment.name
            if isinstance(fragment.arguments, str):
                call.pieces.append(fragment.arguments)
            else:
                call.whole = fragment.arguments

    def _call_of(self, fragment: ToolCallFragment) -> _Begun:
        """Return the call that a fragment goes on with, or a new one.

        Some servers number every call 0; then an id of its own begins another call, and so do arguments that
        come whole.
        """
        latest = next((call for call in reversed(self._begun) if call.index == fragment.index), None)
        if latest is None or _is_another(latest, fragment):
            latest = _Begun(fragment.index, fragment.tool_call_id)
            self._begun.append(latest)
        latest.tool_call_id = latest.tool_call_id or fragment.tool_call_id
        return latest

    def calls(self, tools: Mapping[str, Tool]) -> list[ModelToolCall]:
        """Return the calls.

        Args:
            tools: What was offered. A call of anything else has no ``func``.
        """
        return [self._made(call, tools) for call in self._begun]

    def openai_calls(self) -> list[dict[str, Any]]:
        """Return the calls in the shape of OpenAI's chat completions, their arguments as they came."""
        return [
            {
                "id": call.tool_call_id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": "".join(call.pieces) if call.whole is None else json.dumps(dict(call.whole)),
                },
            }
            for call in self._begun
        ]

    def _made(self, call: _Begun, tools: Mapping[str, Tool]) -> ModelToolCall:
        tool = tools.get(call.name)
        args, problem = _arguments(call)
        if tool is not None and problem is None:
            args = tool.coerced(args)
        # A provider that gives no id gets calls and results back in pairs all the same.
        number = call.tool_call_id or _new_id()
        if tool is None:
            there = f"There are {', '.join(tools)}." if tools else "There are none."
            return ModelToolCall(
                call.name, None, args, number, problem=f"There is no tool {call.name!r}. {there}"
            )
        return ModelToolCall(call.name, tool.source, args, number, problem=problem)


def _new_id() -> str:
    return f"call_{os.urandom(12).hex()}"


def _is_another(call: _Begun, fragment: ToolCallFragment) -> bool:
    ids = call.tool_call_id, fragment.tool_call_id
    return (all(ids) and ids[0] != ids[1]) or (call.whole is not None and bool(fragment.name))


def _arguments(call: _Begun) -> tuple[Mapping[str, Any], str | None]:
    if call.whole is not None:
        return dict(call.whole), None
    text = "".join(call.pieces)
    if not text.strip():
        return {}, None
    again = f"Call {call.name} again with one JSON object."
    try:
        value = json.loads(text)
        if isinstance(value, str):  # written twice over
            value = json.loads(value)
    except (ValueError, RecursionError) as error:
        return {}, f"The arguments of {call.name} are no JSON ({error}): {text[:_QUOTED]!r}. {again}"
    if value is None:
        return {}, None
    if not isinstance(value, dict):
        return {}, f"The arguments of {call.name} are no JSON object: {text[:_QUOTED]!r}. {again}"
    return value, None


def openai_call(call: ModelToolCall | Mapping[str, Any], *, make_id: bool = False) -> dict[str, Any]:
    """Return a call in the shape of OpenAI's chat completions; one that has it already stays as it is.

    Args:
        call: The call.
        make_id: Whether to make up an id where there is none.
    """
    if isinstance(call, Mapping):
        return call if isinstance(call, dict) else dict(call)
    known = call.tool_call_id or (_new_id() if make_id else None)
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
