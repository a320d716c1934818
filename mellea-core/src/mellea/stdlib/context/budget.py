"""Keeping a conversation within a token budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mellea.core.component import Span
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.stdlib.context.chat import ChatContext

__all__ = ["fit"]

SHARE = 0.75
"""The part of the model's window that the conversation may take; the rest is for the next message and its answer."""
CHARACTERS_PER_TOKEN = 4
"""For the estimate that is made when nothing better is known."""


async def fit(ctx: ChatContext, shown: list[Span], pinned: int, backend: Backend) -> list[Span]:
    """Return the pinned spans and as many of the newest ones as the budget holds, at least the newest one.

    Args:
        ctx: The conversation, whose newest spans are the end of ``shown``.
        shown: The spans that a window left.
        pinned: How many spans at the beginning of ``shown`` always stay.
        backend: Counts tokens, if it can.
    """
    budget = int((ctx.token_limit or 0) * SHARE)
    head = shown[: min(pinned, len(shown))]
    for span in head:
        budget -= await _tokens(span, None, backend)
    kept: list[Span] = []
    node: ChatContext = ctx
    for span in reversed(shown[len(head) :]):
        if node._tokens is None:
            node._tokens = await _tokens(span, node, backend)
        if kept and node._tokens > budget:
            break
        budget -= node._tokens
        kept.append(span)
        node = node._previous  # type: ignore[assignment]  # every node but the root has one, of the same type
    return [*head, *reversed(kept)]


async def _tokens(span: Span, node: ChatContext | None, backend: Backend) -> int:
    """Return the tokens of one span: counted, else as its usage tells, else estimated."""
    if isinstance(span, ModelOutputThunk) and not span.is_computed():
        await span.avalue()
    messages = backend.formatter.to_chat_messages([span])
    counted = await backend.count_tokens(messages)
    if counted is not None:
        return counted
    if isinstance(span, ModelOutputThunk) and span.generation.usage is not None:
        return max(1, span.generation.usage.completion_tokens)
    return max(1, len(messages[0].content) // CHARACTERS_PER_TOKEN)
