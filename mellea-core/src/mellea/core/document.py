"""A plain document."""

from __future__ import annotations

from typing import Any

from attrs import define, setters

from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.thunk import ModelOutputThunk

__all__ = ["Document"]


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class Document(Component[str]):
    """A text to refer to.

    Args:
        text: The text.
        title: Its title.
        doc_id: An id by which the prompt names it.
    """

    text: str
    title: str | None = None
    doc_id: str | None = None

    def parts(self) -> list[Span]:
        """Return nothing: a document is one text."""
        return []

    def format_for_llm(self) -> TemplateRepresentation:
        """Return text, title and id for the template."""
        return TemplateRepresentation(
            self, {"text": self.text, "title": self.title, "doc_id": self.doc_id}, template_order=["*"]
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)
