"""Automata that count: words, sentences, paragraphs, characters, numbers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mellea.core.steering.automata.base import TextAutomaton

__all__ = ["CharacterCount", "Counting", "NumberCount", "ParagraphCount", "SentenceCount", "WordCount"]

ENDS = ".!?"


class Counting(TextAutomaton):
    """Gains something so often.

    Args:
        least: How often at least.
        most: How often at most; None for no bound.
    """

    def __init__(self, least: int, most: int | None) -> None:
        self.least, self.most = least, most


class WordCount(Counting):
    """Counts words, divided by space. The state is whether a word is being written."""

    start = False
    exact = True

    def step(self, state: Any, character: str) -> Hashable:
        """Return whether the character belongs to a word."""
        return not character.isspace()

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where a word begins."""
        return int(not state and not character.isspace())


class CharacterCount(Counting):
    """Counts characters."""

    exact = True

    def step(self, state: Any, character: str) -> Hashable:
        """Go on."""
        return 0

    def gains(self, state: Any, character: str) -> int:
        """Return 1."""
        return 1


class SentenceCount(Counting):
    """Counts sentences, all of which are complete, and in none of which a mark stands inside.

    States: ``before`` its first letter, ``inside``, at the ``mark``, and ``after`` a bracket or quotation
    mark behind it.
    """

    start = "before"

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        ends = character in ENDS
        if state in {"mark", "after"}:
            if character.isspace():
                return "before"
            return "mark" if ends and state == "mark" else "after" if character in '")]' else None
        if ends:
            return "mark" if state == "inside" else None
        return "inside" if character.isalpha() else state

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where a sentence ends."""
        return int(state == "inside" and character in ENDS)

    def accepts(self, state: Any) -> bool:
        """Return whether the last sentence is complete."""
        return bool(state in {"mark", "after"})


class ParagraphCount(Counting):
    """Counts paragraphs, divided by one blank line. The state is the number of line ends before."""

    start = 2

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the number of line ends, at most two."""
        if character == "\n":
            return None if state == 2 or self.most == 1 else int(state == 1) + 1
        return 0 if not (character.isspace() and state) else None

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where a paragraph begins."""
        return int(state == 2 and not character.isspace())

    def accepts(self, state: Any) -> bool:
        """Return whether a paragraph is being written."""
        return bool(state == 0)


class NumberCount(Counting):
    """Counts numbers in figures. The state is whether the last character is a figure."""

    start = False
    exact = True

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return whether the character is a figure."""
        if self.most == 0 and character.isdigit():
            return None
        return character.isdigit()

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where a number begins."""
        return int(character.isdigit() and not state)
