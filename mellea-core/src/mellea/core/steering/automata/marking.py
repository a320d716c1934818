"""Automata about marks: quotation marks, placeholders, highlights."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mellea.core.steering.automata.base import TextAutomaton, is_word

__all__ = ["HighlightCount", "PlaceholderCount", "QuotedWhole"]

_LONGEST = 24


class QuotedWhole(TextAutomaton):
    """Has one quotation mark at its start and one at its end, and some text between."""

    phase = "end"

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return how far it is: 0 before the first mark, 1 behind it, 2 in the text, 3 behind the last."""
        quote = character == '"'
        if state == 0:
            return 1 if quote else None
        if state == 1:
            return None if quote or character.isspace() else 2
        return None if state == 3 else 3 if quote else 2

    def accepts(self, state: Any) -> bool:
        """Return whether the last mark is there."""
        return bool(state == 3)


class PlaceholderCount(TextAutomaton):
    """Has so many short placeholders in square brackets. The state is the length of the open one."""

    start = -1

    def __init__(self, least: int) -> None:
        self.least = least

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return how long the open placeholder is; -1 where none is open."""
        if state < 0:
            return None if character == "]" else 0 if character == "[" else -1
        if character == "]":
            return -1 if state > 1 else None
        fits = character.isalpha() or (state and character in " '-")
        return state + 1 if fits and state < _LONGEST else None

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where a placeholder closes."""
        return int(character == "]")

    def accepts(self, state: Any) -> bool:
        """Return whether none is open."""
        return bool(state == -1)


class HighlightCount(TextAutomaton):
    """Has so many short parts between asterisks, and no other asterisk except as a bullet.

    States: at the start of a ``line``, its ``star``, behind ``blank`` or a ``word``, behind the ``close`` of
    a part, or the length of the open part, negative behind a blank in it.
    """

    start = "line"

    def __init__(self, least: int) -> None:
        self.least = least

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        if isinstance(state, int):
            return self._within(state, character)
        if state == "star" and character == " ":
            return "blank"
        if state in {"star", "open"}:
            return 1 if character.isalnum() else None
        if character == "*":
            return {"line": "star", "blank": "open"}.get(str(state))
        if character == "\n":
            return "line"
        if state == "close" and is_word(character):
            return None
        return "blank" if character.isspace() or character in '("' else "word"

    @staticmethod
    def _within(state: int, character: str) -> Hashable | None:
        if character == "*":
            return "close" if state > 2 else None
        if abs(state) >= _LONGEST or not (character.isalnum() or character in " '-,"):
            return None
        return -(abs(state) + 1) if character == " " else abs(state) + 1

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where a part closes."""
        return int(isinstance(state, int) and character == "*")

    def accepts(self, state: Any) -> bool:
        """Return whether no part is open."""
        return bool(not isinstance(state, int) and state not in {"star", "open"})
