"""The context of a conversation."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Self

from mellea.core.component import Span
from mellea.core.context import Context, ContextGenerator, ContextViewer
from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.model_catalog import find_model
from mellea.core.model_identifier import ModelIdentifier
from mellea.stdlib.context._newest import newest_spans
from mellea.stdlib.context._token_window import fit
from mellea.stdlib.context.compactor import Compactor, InlineCompactor, compact_with

__all__ = ["ChatContext"]


class ChatContext(Context):
    """Shows the model what was said before.

    The system messages at the beginning are pinned: neither a window nor a token budget drops them. What
    follows them begins with what a user says: an answer is left out together with its question, and the
    newest exchange is always shown whole.

    Args:
        compactor: Keeps the conversation itself within bounds. An ``InlineCompactor`` works with every
            ``add``, any other one before a generation.
        window_size: How many of the newest spans the model sees; the older ones are kept but not shown.
        token_context_length_limit: Tokens of the model's window; three quarters of it are for the
            conversation. Tokens are counted by the backend if it can, else taken from the usage it reported,
            else estimated.
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
        self.pinned: tuple[Span, ...] = ()
        """The system messages at the beginning."""
        self.length = 0
        """How many spans there are."""

    def on_top_of(self, previous: Context, data: Span) -> Self:
        """Take over the settings of ``previous`` too, where it is a conversation."""
        super().on_top_of(previous, data)
        if not isinstance(previous, ChatContext):
            self.length = len(self.as_list())
            return self
        self.take_settings(previous)
        self.length = previous.length + 1
        self.pinned = previous.pinned
        is_system = isinstance(data, Message) and data.role == "system"
        if is_system and len(previous.pinned) == previous.length:
            self.pinned = (*previous.pinned, data)
        return self

    def take_settings(self, other: ChatContext) -> None:
        """Take over the settings of another conversation."""
        self.compactor, self.window_size, self.token_limit = (
            other.compactor,
            other.window_size,
            other.token_limit,
        )

    def new_instance(self) -> Self:
        """Return an empty conversation with the same settings."""
        node = self.reset_to_new()
        node.take_settings(self)
        return node

    def rebuilt(self, spans: Iterable[Span]) -> Self:
        """Return a conversation of other spans with the same settings, without compacting it again."""
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
        if self.window_size is None or self.length <= self.window_size:
            return self.as_list()
        unpinned = islice(self.newest_first(), self.length - len(self.pinned))
        return [*self.pinned, *newest_spans(unpinned, self.window_size)]

    async def prepare(self, backend: ContextGenerator) -> Context:
        """Return the conversation compacted by a compactor that does not work inline."""
        if self.compactor is None or isinstance(self.compactor, InlineCompactor):
            return self
        return await compact_with(self.compactor, self, backend)

    async def view(self, backend: ContextViewer) -> list[Span]:
        """Return the spans to show, within the token budget if there is one."""
        own_view = type(self).view_for_generation is not ChatContext.view_for_generation
        if self.token_limit is None or own_view:
            return self.view_for_generation()
        return await fit(
            self,
            self.pinned,
            self.length - len(self.pinned),
            window=self.window_size,
            limit=self.token_limit,
            backend=backend,
        )
