"""The newest part of a conversation, cut where a conversation may begin.

Many chat templates insist on it: after the system messages the user speaks first.
"""

from __future__ import annotations

from collections.abc import Iterable

from mellea.core.component import Span
from mellea.core.message import Message
from mellea.core.thunk import ModelOutputThunk

__all__ = ["NewestSpans", "newest_spans"]


class NewestSpans:
    """Takes spans from the newest on, as long as they fit.

    What is cut off does not leave an answer without its question at the beginning; the newest exchange is
    whole, whether it fits or not.
    """

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._within = 0
        self._whole = 0
        self._cut = False

    def take(self, span: Span, *, fits: bool) -> bool:
        """Take the next older span, and tell whether to go on."""
        self._cut = self._cut or not fits
        if self._cut and self._whole:
            return False
        self._spans.append(span)
        if not self._cut:
            self._within = len(self._spans)
        if not _is_answer(span):
            self._whole = len(self._spans)
        return True

    def oldest_first(self) -> list[Span]:
        """Return what is kept."""
        number = (self._whole or max(self._within, 1)) if self._cut else len(self._spans)
        return self._spans[:number][::-1]


def newest_spans(newest_first: Iterable[Span], size: int) -> list[Span]:
    """Return the newest spans, oldest first, of which ``size`` fit."""
    newest = NewestSpans()
    for number, span in enumerate(newest_first):
        if not newest.take(span, fits=number < size):
            break
    return newest.oldest_first()


def _is_answer(span: Span) -> bool:
    return isinstance(span, ModelOutputThunk) or (
        isinstance(span, Message) and span.role in {"assistant", "tool"}
    )
