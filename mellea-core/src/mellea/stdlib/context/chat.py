"""The context of a conversation."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Self

from mellea.core.component import Span
from mellea.core.context import Context, ContextGenerator, ContextViewer
from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.model_catalog import find_model
from mellea.core.model_identifier import ModelIdentifier
from mellea.stdlib.context._token_window import fit
from mellea.stdlib.context.compactor import (
    Compactor,
    InlineCompactor,
    WindowCompactor,
    compact_with,
    works_inline,
)

__all__ = ["ChatContext"]


class ChatContext(Context):
    """Shows the model what was said before.

    The system messages at the beginning are pinned: neither a window nor a token budget drops them. What
    follows them begins with what a user says: an answer is left out together with its question, and the
    newest exchange is always shown whole.

    Args:
        compactor: Keeps the conversation itself within bounds. An ``InlineCompactor`` works with every
            ``add``, any other one before a generation.
        window_size: How many of the newest spans to keep, beside the system messages at the beginning; as
            ``WindowCompactor`` does.
        token_context_length_limit: Tokens of the model's window; three quarters of it are for the
            conversation. Tokens are counted by the backend if it can, else taken from the usage it reported,
            else estimated.
        model_id: The model; its catalogued window is the limit, when no limit is given.

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
        self.model_id = model_id
        self.compactor: Compactor | InlineCompactor | None = (
            compactor if window_size is None else WindowCompactor(window_size)
        )
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
        if type(previous) is not type(self):
            self.take_settings(previous)
        self.length = previous.length + 1
        self.pinned = previous.pinned
        is_system = isinstance(data, Message) and data.role == "system"
        if is_system and len(previous.pinned) == previous.length:
            self.pinned = (*previous.pinned, data)
        return self

    def take_settings(self, other: ChatContext) -> None:
        """Take over the settings of another conversation."""
        for name in ("compactor", "window_size", "token_limit", "model_id"):
            setattr(self, name, getattr(other, name))

    def new_instance(self) -> Self:
        """Return an empty conversation with the same settings."""
        node = self.without_spans()
        node.pinned, node.length = (), 0
        return node

    @property
    def _compactor(self) -> Compactor | InlineCompactor | None:
        return self.compactor

    def with_model(self, model_id: str | ModelIdentifier) -> Self:
        """Return the conversation as one with a model; its bounds stay as they are."""
        twin = copy.copy(self)
        twin.model_id = model_id
        return twin

    def rebuilt(self, spans: Iterable[Span]) -> Self:
        """Return a conversation of other spans with the same settings, without compacting it again."""
        node = self.new_instance()
        for span in spans:
            node = node.from_previous(node, span)
        return node

    def add(self, span: Span) -> Self:
        """Return the conversation with one more span, compacted if the compactor works inline."""
        node = self.from_previous(self, span)
        if self.compactor is not None and works_inline(self.compactor):
            return self.compactor.compact(node)
        return node

    def view_for_generation(self) -> list[Span]:
        """Return the spans to show: all that are kept."""
        return self.as_list()

    async def prepare(self, backend: ContextGenerator) -> Context:
        """Return the conversation compacted by a compactor that does not work inline."""
        if self.compactor is None or works_inline(self.compactor):
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
            window=None,
            limit=self.token_limit,
            backend=backend,
        )
