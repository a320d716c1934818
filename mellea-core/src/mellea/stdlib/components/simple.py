"""A component of named spans."""

from __future__ import annotations

import json
from typing import Any

from mellea.core.component import Component, Span, TemplateRepresentation, blockify
from mellea.core.thunk import ModelOutputThunk

__all__ = ["SimpleComponent"]


class SimpleComponent(Component[str]):
    """Named spans, rendered as one JSON object.

    Args:
        kwargs: Text, blocks, components or thunks by name.

    Raises:
        UsageError: A value is no span.
    """

    def __init__(self, **kwargs: str | Span) -> None:
        self._spans = {name: blockify(value) for name, value in kwargs.items()}

    def parts(self) -> list[Span]:
        """Return the spans."""
        return list(self._spans.values())

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the spans by name."""
        return TemplateRepresentation(self, {"spans": self._spans}, template="{{ spans | json }}")

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)

    @staticmethod
    def make_json_string(kwargs: dict[str, str]) -> str:
        """Return texts by name as one JSON object."""
        return json.dumps(kwargs)
