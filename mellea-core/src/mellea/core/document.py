"""A plain document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, setters

from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.sources import Sources

__all__ = ["Document"]


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class Document(Component[str]):
    """A text to refer to.

    Args:
        text: The text.
        title: Its title.
        doc_id: An id by which the prompt names it.
        sources: Where it comes from, as in ``Sources.of("document", "handbook", trusted=True)``; by default a
            document of its title, which is not trusted.
    """

    text: str
    title: str | None = None
    doc_id: str | None = None
    sources: Sources | None = field(default=None, kw_only=True, eq=False, repr=False)

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
