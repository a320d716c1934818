"""The context in which each call stands alone."""

from __future__ import annotations

from typing import Self

from mellea.core.component import Span
from mellea.core.context import Context

__all__ = ["SimpleContext"]


class SimpleContext(Context):
    """Keeps what was said, and shows the model none of it."""

    def add(self, span: Span) -> Self:
        """Return the context with one more span."""
        return self.from_previous(self, span)

    def view_for_generation(self) -> list[Span]:
        """Return nothing."""
        return []
