"""A context with a short memory."""

from typing import Self

from mellea.core import Context, Span


class LastTwoContext(Context):
    """Keeps everything, and shows the model the last two spans."""

    def add(self, span: Span) -> Self:
        """Return the context with one more span."""
        return self.from_previous(self, span)

    def view_for_generation(self) -> list[Span]:
        """Return the last two spans."""
        return self.as_list(2)
