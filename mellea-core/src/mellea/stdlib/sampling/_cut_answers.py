"""Structured answers that were cut at a limit on tokens: what limit the next attempt has.

An answer that is no whole JSON because it was cut is cut again at the same limit. So the next attempt may
have twice as many tokens, if that is anybody's but the caller's limit, or if the call has a budget of tokens,
which then bounds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from mellea.core.options import ModelOption
from mellea.core.response import as_usage
from mellea.core.text_pattern import TextPattern

if TYPE_CHECKING:
    from mellea.core.budget import Spending
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["Limited", "next_limit", "told_cut"]


class Limited(Protocol):
    """A call, as far as its limits are concerned."""

    @property
    def format(self) -> Any:
        """What an answer must look like."""

    @property
    def merged(self) -> Mapping[str, Any]:
        """The options of the call, over those of the backend."""

    @property
    def limit_raised(self) -> bool:
        """Whether the limit on tokens is no longer the caller's."""

    @property
    def spending(self) -> Spending:
        """What was spent of its budget."""


def next_limit(call: Limited, output: ModelOutputThunk[Any]) -> int | None:
    """Return how many tokens the attempt after an output may have; None where that stays as it is.

    Args:
        call: What was asked.
        output: A failed attempt's.
    """
    written = _cut_at(call, output)
    if not written:
        return None
    tokens = call.spending.budget.tokens
    if tokens is None:
        is_callers = ModelOption.MAX_NEW_TOKENS in call.merged and not call.limit_raised
        return None if is_callers else 2 * written
    prompt = as_usage(output.generation.usage)
    left = tokens - call.spending.tokens - (prompt.prompt_tokens if prompt is not None else 0)
    return min(2 * written, left) if left > written else None


def told_cut(call: Limited, output: ModelOutputThunk[Any]) -> str:
    """Return what to say of an answer that cannot be read beside that: where it was cut, and what follows."""
    written = _cut_at(call, output)
    if not written:
        return ""
    limit = next_limit(call, output)
    follows = f"another attempt may have {limit}" if limit is not None else "another attempt may have no more"
    return f" It was cut after {written} tokens; {follows}."


def _cut_at(call: Limited, output: ModelOutputThunk[Any]) -> int:
    """Return after how many tokens a structured answer was cut; 0 where it was not, or nobody knows."""
    reasons = output.generation.finish_reasons
    if not reasons or reasons[-1] != "length" or call.format is None or isinstance(call.format, TextPattern):
        return 0
    usage = as_usage(output.generation.usage)
    return usage.completion_tokens if usage is not None else 0
