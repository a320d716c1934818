"""What an exception of somebody else's says, even if it cannot say it."""

from __future__ import annotations

__all__ = ["words_of"]


def words_of(error: BaseException) -> str:
    """Return the words of an exception; empty if it fails to tell them."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  it is the user's, and may do anything
        return ""
