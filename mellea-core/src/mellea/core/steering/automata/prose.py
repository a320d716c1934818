"""What every steered text keeps beside its forms, so that rules are not won by bad text."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mellea.core.steering.automata.base import TextAutomaton
from mellea.core.steering.stops import NEVER_LAST

__all__ = ["Prose"]

_LONGEST = 18
_MARKS = ".!?"
_SIGNS = frozenset("*_-~#=+|/\\^`{}&%$@\u2013\u2014\u2022\u2192")
"""Signs that follow no other sign, so that none runs on."""
_NEVER = frozenset((*NEVER_LAST, "a", "about", "if", "because", "so", "such", "very", "who", "whose"))
_BEGINNINGS = frozenset(word[:size] for word in _NEVER for size in range(1, len(word) + 1))


class Prose(TextAutomaton):
    """Has single blanks and line ends where they belong, words of a usual length, and a complete end.

    States: the beginning of a word that is one of those that end no sentence, or how long another word is;
    else what stands there (``start``, ``blank``, ``line1``, ``mark``, ``initial`` where one letter is before
    it, ``close``, ``closed`` behind a mark, ``digit``, ``comma``, ``other``) with whether the last word may
    end a sentence.

    Args:
        ended: Whether the text ends with the end of a sentence; otherwise it only ends with no blank.
    """

    start = ("start", True)

    def __init__(self, *, ended: bool = True) -> None:
        self._ended = ended

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        kind, free = state
        word = kind == "word"
        if character.isalpha():
            return self._letter(kind, free, character)
        may_end = (free not in _NEVER) if word else bool(free)
        if character == " ":
            return None if kind in {"start", "blank", "line1", "line2"} else ("blank", may_end)
        if character == "\n":
            lines = {"line1": "line2", "line2": None, "start": None, "blank": None}.get(kind, "line1")
            return None if lines is None or not may_end else (lines, True)
        if character in _MARKS:
            if kind in {"start", "blank", "line1", "line2", "comma", "mark"} or not may_end:
                return None
            return ("initial" if word and free in {1, "a"} else "mark"), True
        return self._sign(kind, may_end, character)

    @staticmethod
    def _letter(kind: str, free: Any, character: str) -> Hashable | None:
        if kind == "word":
            if isinstance(free, int):
                return ("word", free + 1) if free < _LONGEST else None
            text = free + character.lower()
            return "word", (text if text in _BEGINNINGS else len(text))
        if kind in {"comma", "close", "closed", "digit", "mark"}:
            return None
        text = character.lower()
        return "word", (text if text in _BEGINNINGS else 1)

    @staticmethod
    def _sign(kind: str, may_end: bool, character: str) -> Hashable | None:
        if character.isdigit():
            return None if kind in {"word", "close", "closed"} else ("digit", True)
        if character in ",;:":
            return (
                None
                if kind in {"start", "blank", "line1", "line2", "comma", "mark"}
                else (
                    "comma",
                    may_end,
                )
            )
        if character in ')]*"' and kind not in {"start", "blank", "line1", "line2"}:
            if character == "*" and kind in {"other", "close"}:
                return None
            return ("closed" if kind in {"mark", "initial", "closed"} else "close"), may_end
        return None if character in _SIGNS and kind in {"other", "close", "closed"} else ("other", may_end)

    def accepts(self, state: Any) -> bool:
        """Return whether the last sentence is complete."""
        kind, _ = state
        if not self._ended:
            return bool(kind not in {"start", "blank", "line1", "line2"})
        return bool(kind in {"mark", "closed"})
