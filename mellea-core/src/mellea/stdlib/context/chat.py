"""The context of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.model_catalog import find_model
from mellea.core.model_identifier import ModelIdentifier
from mellea.stdlib.context._token_window import fit
from mellea.stdlib.context.compactor import Compactor, InlineCompactor, compacted

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["ChatContext"]


class ChatContext(Context):
    """Shows the model what was said before.

    The system messages at the beginning are pinned: neither a window nor a token budget drops them.

    Args:
        compactor: Keeps the conversation itself within bounds. An ``InlineCompactor`` works with every ``add``, any other one
            before a generation.
        window_size: How many of the newest spans the model sees; the older ones are kept but not shown.
        token_context_length_limit: Tokens of the model's window; three quarters of it are for the conversation. Tokens are
            counted by the backend if it can, else taken from the usage it reported, else estimated.
        model_id: A model whose catalogued window is the limit, when no limit is given.

    Raises:
        UsageError: Both a compactor and a window are given, or a bound is below one.
    """

    def __init__(
        self,
        *,
        compactor: Compactor | InlineCompactor | None = None,
        window_size: int | None = None,
        token_context_length_limit: int | None = None,
        model_id: str | ModelIdentifier | None = None,
    ) -> None:
        if compactor is not None and window_size is not None:
            raise UsageError(
                "A ChatContext takes a compactor or a window_size, not both.", hint="Leave one of them out."
            )
        for name, bound in (
            ("window_size", window_size),
            ("token_context_length_limit", token_context_length_limit),
        ):
            if bound is not None and bound < 1:
                raise UsageError(f"{name} is {bound}.", hint="It is at least 1; leave it out for no bound.")
        if compactor is not None and not hasattr(compactor, "compact"):
            raise UsageError(
                f"{type(compactor).__name__} is no compactor.",
                hint="A compactor has a method compact(ctx, *, backend).",
            )
        known = find_model(model_id) if isinstance(model_id, str) else model_id
        self.compactor = compactor
        self.window_size = window_size
        self.token_limit = token_context_length_limit or (known.context_length if known else None)
        self._pinned: tuple[Span, ...] = ()
        self._length = 0
        self._tokens: int | None = None

    @classmethod
    def from_previous(cls, previous: Context, data: Span) -> Self:
        """Return a new node with the settings of ``previous``."""
        node = super().from_previous(previous, data)
        if not isinstance(previous, ChatContext):
            node._length = len(node.as_list())
        else:
            node.compactor, node.window_size, node.token_limit = (
                previous.compactor,
                previous.window_size,
                previous.token_limit,
            )
            node._length = previous._length + 1
            node._pinned = previous._pinned
            if (
                len(previous._pinned) == previous._length
                and isinstance(data, Message)
                and data.role == "system"
            ):
                node._pinned = (*previous._pinned, data)
        return node

    def new_instance(self) -> Self:
        """Return an empty conversation with the same settings."""
        node = self.reset_to_new()
        node.compactor, node.window_size, node.token_limit = (
            self.compactor,
            self.window_size,
            self.token_limit,
        )
        return node

    def rebuilt(self, spans: list[Span]) -> Self:
        """Return a conversation of other spans with the same settings."""
        node = self.new_instance()
        for span in spans:
            node = node.from_previous(node, span)
        return node

    def add(self, span: Span) -> Self:
        """Return the conversation with one more span, compacted if the compactor works inline."""
        node = self.from_previous(self, span)
        if isinstance(self.compactor, InlineCompactor):
            return self.compactor.compact(node)
        return node

    def view_for_generation(self) -> list[Span]:
        """Return the spans to show: all, or the pinned ones and those in the window."""
        if self.window_size is None or self._length <= self.window_size:
            return self.as_list()
        pinned = self._pinned[: self._length - self.window_size]
        return [*pinned, *self.as_list(self.window_size)]

    async def prepare(self, backend: Backend) -> Context:
        """Return the conversation compacted by a compactor that does not work inline."""
        if self.compactor is None or isinstance(self.compactor, InlineCompactor):
            return self
        return await compacted(self.compactor, self, backend)

    async def view(self, backend: Backend) -> list[Span]:
        """Return the spans to show, within the token budget if there is one."""
        own_view = type(self).view_for_generation is not ChatContext.view_for_generation
        if self.token_limit is None or own_view:
            return self.view_for_generation()
        unpinned = self._length - len(self._pinned)
        return await fit(self, self._pinned, min(unpinned, self.window_size or unpinned), backend)
