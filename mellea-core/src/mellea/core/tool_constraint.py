"""Tools by constraint: a model that is held to a JSON schema chooses one of the tools, or answers.

For every backend that constrains its output and whose provider has no protocol for tools. The model is told
of the tools in the system message, its answer is one JSON object, and what was called and came of it is told
as text, so that no chat template needs to know of tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from mellea.core.errors import OutputParseError
from mellea.core.message import Message, with_system_prompt
from mellea.core.schema import OutputSchema
from mellea.core.schema_parts import without_root_references
from mellea.core.steering.decode import TextDecoder
from mellea.core.tool import Tool
from mellea.core.tool_call import ToolCallFragment, call_fields
from mellea.core.tool_offer import AUTO, NONE, ToolOffer
from mellea.core.tool_room import bounded, room_for

__all__ = ["ConstrainedReader", "answer_schema", "told_as_text", "with_tools_told"]

MOST_CALLS = 8
"""How many calls an answer may hold where several are allowed."""
_ANSWER = re.compile(r'\s*\{\s*"answer"\s*:\s*(?=")')


def answer_schema(offer: ToolOffer, format: OutputSchema | None, room: int | None = None) -> OutputSchema:
    """Return the schema of "call one of these tools, or answer".

    Args:
        offer: The tools that may be called.
        format: What an answer has to look like; None for any text.
        room: How many tokens there are for it, if that is known.
    """
    definitions: dict[str, Any] = {}
    characters = room_for(room) // (MOST_CALLS if offer.several else 1)
    calls = [_call_schema(tool, definitions, characters) for tool in offer.tools.values()]
    branches = [_several(calls)] if offer.several and calls else calls
    if offer.choice in (AUTO, NONE):
        wanted = {"type": "string"} if format is None else _hoisted("answer", format.json_schema, definitions)
        branches = [*branches, _object("answer", wanted)]
    schema = _any_of(branches)
    return OutputSchema("call_or_answer", {**schema, "$defs": definitions} if definitions else schema)


def _several(calls: Sequence[dict[str, Any]]) -> dict[str, Any]:
    several = {"type": "array", "items": _any_of(calls), "minItems": 1, "maxItems": MOST_CALLS}
    return _object("calls", several)


def _any_of(branches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return branches[0] if len(branches) == 1 else {"anyOf": list(branches)}


def _object(name: str, part: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: part}, "required": [name], "additionalProperties": False}


def _call_schema(tool: Tool, definitions: dict[str, Any], room: int) -> dict[str, Any]:
    arguments = bounded(_closed(_hoisted(tool.name, tool.parameters, definitions)), room - len(tool.name))
    return {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": [tool.name]}, "arguments": arguments},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def _hoisted(prefix: str, schema: Mapping[str, Any], definitions: dict[str, Any]) -> Any:
    """Return a schema whose definitions have moved to those of the whole, under names of their own."""
    own = without_root_references(schema)
    names = {name: re.sub(r"[^A-Za-z0-9_]", "_", f"{prefix}_{name}") for name in own.get("$defs", {})}
    for name, part in own.get("$defs", {}).items():
        definitions[names[name]] = _closed(_renamed(part, names))
    return _renamed({key: part for key, part in own.items() if key != "$defs"}, names)


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, Mapping):
        target = node.get("$ref")
        new = names.get(target.rpartition("/")[2]) if isinstance(target, str) else None
        own = {"$ref": f"#/$defs/{new}"} if new else {}
        return {**{key: _renamed(part, names) for key, part in node.items()}, **own}
    return [_renamed(part, names) for part in node] if isinstance(node, list | tuple) else node


def _closed(node: Any) -> Any:
    """Return a schema whose objects hold what they name and nothing else, unless they say so themselves."""
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, Mapping):
        return node
    closed = {
        key: {name: _closed(one) for name, one in part.items()} if key == "properties" else _closed(part)
        for key, part in node.items()
        if key not in ("default", "description")
    }
    if (
        node.get("type") == "object"
        and "properties" in node
        and node.get("additionalProperties") in (None, True)
    ):
        closed["additionalProperties"] = False
    return closed


# What the model is told


def with_tools_told(
    messages: Sequence[Message], offer: ToolOffer, format: OutputSchema | None
) -> list[Message]:
    """Return a conversation that begins with the tools and how to call them."""
    ways = []
    if offer.tools:
        call = '{"tool": NAME, "arguments": {...}}'
        call = f'{{"calls": [{call}, ...]}}' if offer.several else call
        ways.append(f"To call a tool, write {call}; its result follows in the next message.")
    if offer.choice in (AUTO, NONE):
        wanted = "TEXT" if format is None else f"a value that fits {_compact(format.json_schema)}"
        ways.append(f'To answer, write {{"answer": {wanted}}}.')
    listed = "".join(map(_listed, offer.tools.values()))
    head = f"You can call these tools:\n{listed}" if offer.tools else ""
    text = f"{head}Write one JSON object. {' '.join(ways)}"
    return with_system_prompt(messages, text)


def _listed(tool: Tool) -> str:
    said = " ".join(tool.description.split())
    return f"- {tool.name}: {said} Arguments: {_compact(_closed(tool.parameters))}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def told_as_text(messages: Sequence[Message], *, as_json: bool) -> list[Message]:
    """Return a conversation in which calls and their results are text, in messages of users and assistants.

    Args:
        messages: The conversation.
        as_json: Whether plain answers are shown in the shape in which the next one is wanted.
    """
    told: list[Message] = []
    results: list[str] = []
    for message in messages:
        if message.role == "tool":
            name = message.tool_name or "the call"
            results.append(f"Result of {name}: {message.content}")
            continue
        told += _results(results)
        if message.role != "assistant":
            told.append(message)
        elif message.tool_calls:
            told.append(evolve(message, content=_call_text(message), tool_calls=None))
        else:
            content = _compact({"answer": message.content}) if as_json else message.content
            told.append(evolve(message, content=content))
    return [*told, *_results(results)]


def _results(results: list[str]) -> list[Message]:
    text = "\n".join(results)
    results.clear()
    return [Message("user", text)] if text else []


def _call_text(message: Message) -> str:
    read = [call_fields(call) for call in message.tool_calls or ()]
    calls = [{"tool": name, "arguments": dict(args)} for _, name, args in read]
    return _compact(calls[0] if len(calls) == 1 else {"calls": calls})


# What it writes


class ConstrainedReader:
    """Parts what a model writes into the text of its answer and the calls of tools.

    The text of a plain answer is handed on while it comes. What is no such object, of a server that does not
    keep to schemas, is text.

    Args:
        answers_text: Whether an answer is plain text, and not a value of a format.
    """

    def __init__(self, *, answers_text: bool) -> None:
        self._answers_text = answers_text
        self._written = ""
        self._decoder: TextDecoder | None = None
        self.fragments: list[ToolCallFragment] = []
        """The calls, once all is read."""

    def feed(self, piece: str) -> str:
        """Take the next piece, and return what it adds to the text."""
        if self._decoder is not None:
            return self._decoder.feed(piece)
        self._written += piece
        if not self._answers_text or (head := _ANSWER.match(self._written)) is None:
            return ""
        self._decoder = TextDecoder()
        return self._decoder.feed(self._written[head.end() :])

    def end(self) -> str:
        """Return what is left of the text when nothing follows, and make out the calls."""
        if self._decoder is not None:
            return self._decoder.flush()
        from mellea.core.json_text import read_json  # noqa: PLC0415  only tools by constraint need it

        try:
            value = read_json(self._written, dict)
        except OutputParseError:
            return self._cut()
        calls = _calls_in(value)
        if calls:
            self.fragments = [
                ToolCallFragment(place, None, call["tool"], call.get("arguments") or {})
                for place, call in enumerate(calls)
            ]
            return ""
        if isinstance(value, dict) and value.keys() == {"answer"}:
            answer = value["answer"]
            is_text = self._answers_text and isinstance(answer, str)
            return answer if is_text else json.dumps(answer, ensure_ascii=False)
        return self._written

    def _cut(self) -> str:
        """Return the text where there is no whole object.

        A call that was cut stays one that cannot be read.
        """
        begun = re.match(
            r'\s*\{\s*"tool"\s*:\s*"([^"\\]+)"\s*,\s*"arguments"\s*:\s*(.*)', self._written, re.DOTALL
        )
        if begun is None:
            return self._written
        self.fragments = [ToolCallFragment(0, None, begun[1], begun[2] or "{")]
        return ""


def _calls_in(value: Any) -> list[Mapping[str, Any]]:
    """Return the calls that an object is or holds; none where it is something else."""
    several = value.get("calls") if isinstance(value, dict) else None
    calls = several if isinstance(several, list) else [value]
    return calls if all(map(_is_call, calls)) else []


def _is_call(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("tool"), str):
        return False
    return isinstance(value.get("arguments"), dict | None)
