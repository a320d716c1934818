"""Ending a load early.

Whoever waits for a model may go away, and nothing can break into a thread from outside.
"""

from __future__ import annotations

import threading

from mellea.core.errors import GenerationCancelledError
from mellea_hf._engine import engine

__all__ = ["Interrupt"]


class Interrupt:
    """Tells the engine's thread, at the places where it asks, that a model is not wanted any more."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def set(self) -> None:
        """End the load, from any thread."""
        self._set.set()

    def check(self) -> None:
        """Go on, unless the load is to end or the process does.

        Raises:
            GenerationCancelledError: It is.
        """
        if self._set.is_set() or engine.stopping:
            raise GenerationCancelledError("Nobody waits for the model any more.", backend="hf")
