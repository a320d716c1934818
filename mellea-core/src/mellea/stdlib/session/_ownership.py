"""Who still uses a backend that a session opened."""

from __future__ import annotations

import weakref

__all__ = ["Ownership"]


class Ownership:
    """Shared by a session and its clones: the last one to close closes the backend, if a session opened it.

    A clone that was dropped without being closed holds nothing.
    """

    def __init__(self, *, owns_backend: bool) -> None:
        self.owns_backend = owns_backend
        self._holders: dict[int, weakref.ref[object]] = {}

    def add(self, session: object) -> None:
        """Count a session as a user."""
        self._holders[id(session)] = weakref.ref(session)

    def release(self, session: object) -> bool:
        """Count a session no longer, and tell whether the backend is to be closed now."""
        self._holders.pop(id(session), None)
        return self.owns_backend and all(holder() is None for holder in self._holders.values())
