"""Keeping a conversation within a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from mellea.core.component import Span
from mellea.core.context import Context, ContextViewer
from mellea.core.thunk import ModelOutputThunk

__all__ = ["fit"]

SHARE = 0.75
"""The part of the model's window that the conversation may take.

The rest is for the next message and its answer.
"""
CHARACTERS_PER_TOKEN = 4
"""For the estimate that is made when nothing better is known."""


async def fit(
    ctx: Context, pinned: Sequence[Span], most: int, limit: int, backend: ContextViewer
) -> list[Span]:
    """Return the pinned spans and as many of the newest ones as the budget holds, at least the newest one.

    Args:
        ctx: The conversation.
        pinned: The spans at its beginning that always stay.
        most: How many of the others a window shows at most.
        limit: Tokens of the model's window.
        backend: Counts tokens, if it can.
    """
    budget = int(limit * SHARE)
    for span in pinned:
        budget -= await _tokens(span, backend)
    kept: list[Span] = []
    node: Context = ctx
    for span in islice(ctx.newest_first(), most):
        tokens = await _tokens_of(node, span, backend)
        if kept and tokens > budget:
            break
        budget -= tokens
        kept.append(span)
        node = node.previous_node or node
    return [*pinned, *reversed(kept)]


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
    counted = await backend.count_tokens(messages)
    if counted is not None:
        return counted
    if isinstance(span, ModelOutputThunk) and span.generation.usage is not None:
        return max(1, span.generation.usage.completion_tokens)
    return max(1, len(messages[0].content) // CHARACTERS_PER_TOKEN)
