"""The stand-in for a model that programs of the 0.8 line use."""

from __future__ import annotations

from collections.abc import Sequence

from mellea.testing.scripted import ScriptedBackend

__all__ = ["DummyBackend"]


class DummyBackend(ScriptedBackend):
    """Gives texts in turn; a ``ScriptedBackend`` under the name of the 0.8 line.

    Args:
        responses: The texts; a call beyond the last one is an error. Without them every answer is ``dummy``.
    """

    def __init__(self, responses: Sequence[str] | None = None) -> None:
        super().__init__("dummy" if responses is None else list(responses))
