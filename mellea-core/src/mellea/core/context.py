"""Contexts: what a session remembers, and what of it the next request shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from mellea.core.component import Span
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["Context", "ContextTurn"]


@frozen
class ContextTurn:
    """One turn: what was asked, and what came of it."""

    model_input: Span | None
    output: ModelOutputThunk[Any] | None


class Context(ABC):
    """A persistent linked list of spans.

    ``add`` gives a new context in constant time and leaves this one as it is, so that every older context stays valid.
    A context type says with ``view_for_generation`` what the next request shows.
    """

    _previous: Context | None = None
    _data: Span | None = None

    @classmethod
    def from_previous(cls, previous: Context, data: Span) -> Self:
        """Return a new node of this type on top of ``previous``.

        Override it (and call ``super``) in a type that has settings of its own to hand on.
        """
        node = cls()
        node._previous = previous
        node._data = data
        return node

    @classmethod
    def reset_to_new(cls) -> Self:
        """Return an empty context of this type, with default settings."""
        return cls()

    def new_instance(self) -> Self:
        """Return an empty context with this one's settings."""
        return self.reset_to_new()

    @property
    def is_root_node(self) -> bool:
        """Whether this context is empty."""
        return self._previous is None

    @property
    def previous_node(self) -> Context | None:
        """The context before the newest span was added."""
        return self._previous

    @property
    def node_data(self) -> Span | None:
        """The newest span; None in an empty context."""
        return self._data

    @property
    def is_chat_context(self) -> bool:
        """Whether the view is a conversation. Always true; kept for programs that ask."""
        return True

    @abstractmethod
    def add(self, span: Span) -> Context:
        """Return the context with one more span."""

    @abstractmethod
    def view_for_generation(self) -> list[Span] | None:
        """Return what the next request shows, oldest first."""

    async def prepare(self, backend: Backend) -> Context:
        """Return the context to generate from: this one, or a compacted one. Never blocks the loop."""
        return self

    async def view(self, backend: Backend) -> Sequence[Span]:
        """Return what the next request to this backend shows; may ask it to count tokens."""
        return self.view_for_generation() or []

    def newest_first(self) -> Iterator[Span]:
        """Iterate over the spans from the newest to the oldest, as far as the caller goes."""
        node: Context | None = self
        while node is not None and node._previous is not None:
            yield node._data  # type: ignore[misc]  # every node but the root holds a span
            node = node._previous

    def as_list(self, last_n_components: int | None = None) -> list[Span]:
        """Return the last spans, oldest first; all of them when no number is given. Costs what it returns."""
        most = None if last_n_components is None else max(last_n_components, 0)
        spans = list(islice(self.newest_first(), most))
        spans.reverse()
        return spans

    def actions_for_available_tools(self) -> list[Span] | None:
        """Return the spans whose tools the model may call: those of the view."""
        return self.view_for_generation()

    def last_output(self, check_last_n_components: int = 3) -> ModelOutputThunk[Any] | None:
        """Return the newest output among the last few spans, or None."""
        for index, span in enumerate(self.newest_first()):
            if index >= check_last_n_components:
                break
            if isinstance(span, ModelOutputThunk):
                return span
        return None

    def last_turn(self) -> ContextTurn | None:
        """Return the last turn, or None in an empty context."""
        if self._previous is None:
            return None
        if isinstance(self._data, ModelOutputThunk):
            return ContextTurn(self._previous._data, self._data)
        return ContextTurn(self._data, None)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} ending in {self._data!r}>"
            if self._previous
            else f"<{type(self).__name__}, empty>"
        )
