"""Keeping a conversation within a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from mellea.core.component import Span
from mellea.core.context import Context, ContextViewer
from mellea.core.errors import ProviderError
from mellea.core.response import as_usage
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context._newest import NewestSpans

__all__ = ["fit"]

SHARE = 0.75
"""The part of the model's window that the conversation may take.

The rest is for the next message and its answer.
"""
CHARACTERS_PER_TOKEN = 4
"""For the estimate that is made when nothing better is known."""


async def fit(
    ctx: Context,
    pinned: Sequence[Span],
    unpinned: int,
    *,
    window: int | None,
    limit: int,
    backend: ContextViewer,
) -> list[Span]:
    """Return the pinned spans and the newest ones that the budget holds, at least the newest exchange.

    Args:
        ctx: The conversation.
        pinned: The spans at its beginning that always stay.
        unpinned: How many others there are.
        window: How many of the others are shown at most; None for no bound.
        limit: Tokens of the model's window.
        backend: Counts tokens, if it can.
    """
    budget = int(limit * SHARE)
    for span in pinned:
        budget -= await _tokens(span, backend)
    newest = NewestSpans()
    node: Context = ctx
    for number, span in enumerate(islice(ctx.newest_first(), unpinned)):
        within = window is None or number < window
        if within:
            budget -= await _tokens_of(node, span, backend)
        if not newest.take(span, fits=within and budget >= 0):
            break
        node = node.previous_node or node
    return [*pinned, *newest.oldest_first()]


async def _tokens_of(node: Context, span: Span, backend: ContextViewer) -> int:
    """Return the tokens of a node's span, remembered there."""
    if node.tokens is None:
        node.tokens = await _tokens(span, backend)
    return node.tokens


async def _tokens(span: Span, backend: ContextViewer) -> int:
    """Return the tokens of one span: counted, else as its usage tells, else estimated."""
    if isinstance(span, ModelOutputThunk) and not span.is_computed():
        await span.avalue()
    messages = backend.formatter.to_chat_messages([span])
    try:
        counted = await backend.count_tokens(messages)
    except ProviderError:  # whatever is wrong, the request itself will tell
        counted = None
    if counted is not None:
        return counted
    usage = as_usage(span.generation.usage) if isinstance(span, ModelOutputThunk) else None
    if usage is not None and usage.completion_tokens:
        return usage.completion_tokens
    return max(1, len(messages[0].content) // CHARACTERS_PER_TOKEN)
