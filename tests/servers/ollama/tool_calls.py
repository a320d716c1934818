"""Tool calls read out of a model's text."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.ollama.reasoning import held_back

__all__ = ["ToolCallParser"]

_START = "<tool_call>"


class ToolCallParser:
    """Parts text from the calls in it, which come whole.

    Args:
        tools: What may be called; a call of anything else is dropped.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self._names = {tool["function"]["name"] for tool in tools}
        self._held = ""
        self._calling = False
        self._count = 0

    def add(self, piece: str) -> tuple[str, list[dict[str, Any]]]:
        """Return what a piece adds to the text, and the calls that are complete with it."""
        text, self._held = "", self._held + piece
        if not self._calling:
            text, start, rest = self._held.partition(_START)
            self._calling = bool(start)
            kept = 0 if start else held_back(text, _START)
            text, self._held = text[: len(text) - kept], rest if start else text[len(text) - kept :]
        return text, self._calls() if self._calling else []

    def rest(self) -> str:
        """Return what was held back as the possible start of a call that did not come."""
        return "" if self._calling else self._held

    def _calls(self) -> list[dict[str, Any]]:
        found = []
        while "{" in self._held:
            begin = self._held.index("{")
            try:
                value, end = json.JSONDecoder().raw_decode(self._held, begin)
            except ValueError:
                break
            self._held = self._held[end:]
            if value.get("name") in self._names and isinstance(value.get("arguments"), dict):
                found.append(self._call(value))
        return found

    def _call(self, value: Mapping[str, Any]) -> dict[str, Any]:
        name = "".join(random.choices(string.ascii_lowercase + string.digits, k=8))  # a name, not a secret
        function = {"index": self._count, "name": value["name"], "arguments": value["arguments"]}
        self._count += 1
        return {"id": f"call_{name}", "function": function}
