"""Results of tools as text, and the rest of those that are too long for one message."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from mellea.core.component import is_component
from mellea.core.half_characters import whole_text
from mellea.core.tool import Tool

__all__ = ["READ_RESULT", "Pages", "as_text"]

READ_RESULT = "read_result"


def as_text(value: Any, render: Callable[[Any], str] | None = None) -> str:
    """Return a tool's result as the model reads it.

    Text stays as it is, bytes are read as UTF-8, components are rendered, structures become JSON; all else is
    what ``str`` says. What cannot be sent, such as half a character, is replaced.

    Args:
        value: The result.
        render: Renders a component.
    """
    return whole_text(_told(value, render))


def _told(value: Any, render: Callable[[Any], str] | None) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if render is not None and is_component(value):
        return render(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset) or _has_fields(value):
        from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415

        try:
            plain = to_jsonable_python(value, fallback=str, bytes_mode="utf8")
            return json.dumps(plain, ensure_ascii=False)
        except (PydanticSerializationError, TypeError, ValueError, RecursionError):
            return str(value)
    return str(value)


def _has_fields(value: Any) -> bool:
    return hasattr(type(value), "__dataclass_fields__") or hasattr(type(value), "__pydantic_fields__")


@attrs.define
class Pages:
    """The whole text of results that were cut, for the model to read on.

    Args:
        results: The texts, by their numbers.
        length: Characters of a page.
    """

    results: dict[int, str] = attrs.field(factory=dict)
    length: int = 20_000

    def keep(self, text: str, length: int) -> int:
        """Keep a text, and return its number."""
        self.length = length
        self.results[len(self.results) + 1] = text
        return len(self.results)

    def remedy(self, number: int, start: int) -> str:
        """Return how the model gets at the rest."""
        return f"Call {READ_RESULT} with result={number} and start={start} to read on."

    def read(self, result: int, start: int) -> str:
        """Return the next part of a result."""
        text = self.results.get(result)
        if text is None:
            return f"There is no result {result}."
        part, end = text[max(start, 0) :][: self.length], max(start, 0) + self.length
        left = len(text) - end
        return f"{part}\n[{left:,} more characters. {self.remedy(result, end)}]" if left > 0 else part

    def tool(self) -> Tool:
        """Return the tool that reads on."""
        number = {"type": "integer", "minimum": 0}
        parameters = {
            "type": "object",
            "required": ["result", "start"],
            "properties": {
                "result": {**number, "description": "The number of the result."},
                "start": {**number, "description": "The character to begin with."},
            },
        }
        described = {
            "name": READ_RESULT,
            "description": "Read more of a result that was too long to be shown whole.",
            "parameters": parameters,
        }
        return Tool(READ_RESULT, self.read, {"type": "function", "function": described})
