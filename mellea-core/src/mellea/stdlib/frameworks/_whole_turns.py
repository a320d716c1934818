"""A compacted conversation with its goal and with turns that are whole.

A provider refuses a result whose call is gone, and a model without its goal does not know what to go on with.
"""

from __future__ import annotations

from collections.abc import Sequence

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_message import ToolMessage
from mellea.stdlib.context.compactor import pin_system

__all__ = ["whole_turns"]


def whole_turns(before: Context, after: Context, goal: Span) -> Context:
    """Return a compacted conversation, with the goal and the whole of each turn that it has a part of.

    Args:
        before: The conversation before it was compacted.
        after: The conversation as the compactor left it.
        goal: What always stays.
    """
    if after is before:
        return after
    kept = after.as_list()
    turn_of = {id(span): turn for turn in _turns(before.as_list()) for span in turn}
    spans: list[Span] = []
    there: set[int] = set()
    for span in kept:
        for one in turn_of.get(id(span), [span]):
            if id(one) not in there:
                there.add(id(one))
                spans.append(one)
    if id(goal) not in there:
        spans.insert(pin_system(spans), goal)
    is_same = len(spans) == len(kept) and all(one is two for one, two in zip(spans, kept, strict=True))
    return after if is_same else after.rebuilt(spans)


def _turns(spans: Sequence[Span]) -> list[list[Span]]:
    """Return an output with the results of its calls for each turn that has some."""
    turns: list[list[Span]] = []
    for span in spans:
        if isinstance(span, ModelOutputThunk) and span.tool_calls:
            turns.append([span])
        elif isinstance(span, ToolMessage) and turns:
            turns[-1].append(span)
    return turns
