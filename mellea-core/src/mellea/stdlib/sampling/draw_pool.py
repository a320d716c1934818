"""Answers that settled votes did not need, for votes that are still open."""

from __future__ import annotations

import threading

from mellea.core.errors import UsageError

__all__ = ["DrawPool"]


class DrawPool:
    """What several votes may draw beyond their own answers: what others of them have saved.

    Args:
        draws: How many answers there are beforehand.

    Raises:
        UsageError: The number is negative.
    """

    def __init__(self, draws: int = 0) -> None:
        if isinstance(draws, bool) or not isinstance(draws, int) or draws < 0:
            raise UsageError(f"A pool of {draws!r} draws is none.", hint="Pass a number from 0 on.")
        self._left = draws
        self._lock = threading.Lock()  # a session's calls may come from several event loops

    @property
    def left(self) -> int:
        """How many answers may still be drawn."""
        return self._left

    def give(self, draws: int) -> None:
        """Add what a vote did not need."""
        with self._lock:
            self._left += max(draws, 0)

    def take(self) -> bool:
        """Take one answer, and tell whether there was one."""
        with self._lock:
            had = self._left > 0
            self._left -= had
        return had

    def __repr__(self) -> str:
        return f"<DrawPool: {self._left} draws left>"
