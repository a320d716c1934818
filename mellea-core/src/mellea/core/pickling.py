"""Pickling values that may hold what belongs to one process alone."""

from __future__ import annotations

from typing import Any

__all__ = ["picklable_or_none"]


def picklable_or_none(value: Any) -> Any:
    """Return a value if it can be pickled, else None, such as for a lambda or a class made in a function."""
    import pickle  # noqa: PLC0415  for values that are copied to another process

    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001  pickling asks any class how, and each fails in its own way
        return None
    return value
