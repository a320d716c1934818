"""A component of named spans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mellea.core.component import Component, Span, TemplateRepresentation, blockify, is_component
from mellea.core.errors import UsageError
from mellea.core.thunk import ModelOutputThunk

__all__ = ["SimpleComponent"]


class _NoSpanError(UsageError, AssertionError):
    pass


class SimpleComponent(Component[str]):
    """Named spans, rendered as one JSON object.

    Args:
        kwargs: Text, blocks, components or thunks by name.

    Raises:
        UsageError: (also an AssertionError) A value is no span.
    """

    def __init__(self, **kwargs: str | Span) -> None:
        try:
            self._spans = {name: blockify(value) for name, value in kwargs.items()}
        except UsageError as error:
            raise _NoSpanError(error.message, hint=error.hint) from None

    def parts(self) -> list[Span]:
        """Return the spans."""
        return list(self._spans.values())

    def format_for_llm(self) -> str:
        """Return the spans by name as one JSON object: their texts, or what a component says of itself."""
        return json.dumps(
            {name: _shown(span) for name, span in self._spans.items()}, default=str, ensure_ascii=False
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)

    @staticmethod
    def make_simple_string(kwargs: Mapping[str, Any]) -> str:
        """Return texts by name, each on a line of its own: ``<|name|>text</|name|>``."""
        return "\n".join(f"<|{name}|>{value}</|{name}|>" for name, value in kwargs.items())

    @staticmethod
    def make_json_string(kwargs: dict[str, str]) -> str:
        """Return texts by name as one JSON object."""
        return json.dumps(kwargs)


def _shown(span: Any) -> Any:
    shown = span.format_for_llm() if is_component(span) else str(span)
    return dict(shown.args) if isinstance(shown, TemplateRepresentation) else shown
