"""Who still uses what a session closes: a backend that it opened, and what it was given to keep."""

from __future__ import annotations

import weakref
from contextlib import AsyncExitStack

__all__ = ["Ownership"]


class Ownership:
    """Shared by a session and its clones: the last one to close closes what they own.

    A clone that was dropped without being closed holds nothing.
    """

    def __init__(self) -> None:
        self.owned = AsyncExitStack()
        self._holders: dict[int, weakref.ref[object]] = {}

    def add(self, session: object) -> None:
        """Count a session as a user."""
        self._holders[id(session)] = weakref.ref(session)

    async def release(self, session: object) -> None:
        """Count a session no longer; with the last one, close what is owned."""
        self._holders.pop(id(session), None)
        if all(holder() is None for holder in self._holders.values()):
            await self.owned.aclose()
