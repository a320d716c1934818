"""Automata about lines: lists, headings, titles, postscripts."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mellea.core.steering.automata.base import TextAutomaton, is_word

__all__ = ["BulletList", "Numbering", "PostscriptEnd", "Sections", "TitleLine"]

_WORDS = 3
"""Least words of an item."""
_BLANK, _INSIDE, _ENDED = range(3)
_ENDS = ".!?:;"


class _Line:
    """Words of a line so far, and what its last character is: the states within it.

    That is a blank, a part of a word, or the end of a sentence with what closes behind it.
    """

    @staticmethod
    def after(state: tuple[str, int, int], character: str, most: int) -> tuple[str, int, int]:
        kind, words, place = state
        begins = is_word(character) and place == _BLANK
        if character in _ENDS and place != _BLANK:
            place = _ENDED
        elif is_word(character):
            place = _INSIDE
        elif character.isspace():
            place = _BLANK
        elif place == _ENDED and character not in "\"')]*":
            place = _INSIDE
        return kind, min(words + begins, most), place


class BulletList(TextAutomaton):
    """Has lines that begin with a star and a blank, and no other bullets.

    Each has three words or more, and ends a sentence before another line begins.

    States are the kind of the line (``line`` at its start, ``star``, ``blank`` behind it, ``item``,
    ``plain``) with its words.
    """

    start = ("line", 0, _BLANK)

    def __init__(self, count: int) -> None:
        self.least = self.most = count

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        kind = state[0]
        if character == "\n":
            complete = kind in {"line", "plain"} or (self._full(state) and state[2] == _ENDED)
            return ("line", 0, _BLANK) if complete else None
        if kind == "line":
            if character in "+-" or character.isspace():
                return None
            return ("star", 0, _BLANK) if character == "*" else ("plain", 0, _BLANK)
        if kind == "star":
            return ("blank", 0, _BLANK) if character == " " else ("plain", 0, _BLANK)
        if kind == "blank":
            return (
                None
                if not (character.isalnum() or character in "\"'([*")
                else _Line.after(("item", 0, _BLANK), character, _WORDS)
            )
        return _Line.after(state, character, _WORDS) if kind == "item" else state

    def _full(self, state: Any) -> bool:
        return bool(state[0] == "item" and state[1] >= _WORDS)

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where an item begins."""
        return int(state[0] == "blank")

    def accepts(self, state: Any) -> bool:
        """Return whether the last line is complete."""
        return bool(state[0] == "plain" or self._full(state))


class Numbering(TextAutomaton):
    """Has lines numbered from 1 up to a count, and no other line that begins with a figure.

    States: items so far, the kind of the line, words of the item, whether a word is being written.
    """

    start = (0, "line", 0, _BLANK)

    def __init__(self, count: int) -> None:
        self._count = count

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        number, kind, *_ = state
        mark = f"{number + 1}. "
        if character == "\n":
            complete = kind in {"line", "plain"} or (self._full(state) and state[3] == _ENDED)
            return (number, "line", 0, _BLANK) if complete else None
        if kind == "line":
            if character == mark[0] and number < self._count:
                return number, mark[0], 0, _BLANK
            return None if character.isdigit() or character.isspace() else (number, "plain", 0, _BLANK)
        if mark.startswith(kind) and kind != mark:
            return (number, kind + character, 0, _BLANK) if mark.startswith(kind + character) else None
        if kind == mark:
            if not (character.isalpha() or character in "\"'([*"):
                return None
            return (number + 1, *_Line.after(("item", 0, _BLANK), character, _WORDS))
        return (number, *_Line.after(state[1:], character, _WORDS)) if kind == "item" else state

    def _full(self, state: Any) -> bool:
        return bool(state[1] == "item" and state[2] >= _WORDS)

    def accepts(self, state: Any) -> bool:
        """Return whether all items are there."""
        return bool(state[0] == self._count and (state[1] == "plain" or self._full(state)))


class Sections(TextAutomaton):
    """Has headings, below each of which stand whole sentences of some words.

    One line may come before the first.

    States: the number of the section, how much of its heading stands there (-1 in the line before the first,
    -2 behind it), then line ends and words; -1 words behind a line.
    """

    start = (0, 0, 0, _BLANK)

    def __init__(self, names: tuple[str, ...]) -> None:
        self._marks = [f"# {name}\n" for name in names]
        self._least = max(4, *(len(name.split()) + 1 for name in names))

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        number, at, words, inside = state
        mark = self._marks[number]
        if not number and at <= 0 and character != mark[0]:
            return self._before(at, character)
        if at <= 0:
            return (number, 1, 0, _BLANK) if at != -1 else (number, -1, 0, _BLANK)
        if at < len(mark):
            return (number, at + 1, 0, _BLANK) if character == mark[at] else None
        if character == "\n":
            if at == len(mark):  # behind the heading, or behind a line
                return number, at + 1, words, _BLANK
            complete = words >= self._least and inside == _ENDED
            return (number, len(mark), -1, _BLANK) if complete else None
        if at <= len(mark) + 1:
            if character == "#":
                return (number + 1, 1, 0, _BLANK) if words < 0 and number + 1 < len(self._marks) else None
            if character.isspace():
                return None
        line = _Line.after(("", max(words, 0), inside), character, self._least)
        return number, len(mark) + 2, line[1], line[2]

    @staticmethod
    def _before(at: int, character: str) -> Hashable | None:
        """Return the state in the line before the first heading, or behind it."""
        if character == "\n":
            return (0, -2, 0, _BLANK) if at else None
        return None if at == -2 or (not at and character.isspace()) else (0, -1, 0, _BLANK)

    def accepts(self, state: Any) -> bool:
        """Return whether all headings are there, and the last line is complete."""
        number, at, words, _ = state
        return bool(
            number + 1 == len(self._marks) and at == len(self._marks[number]) + 2 and words >= self._least
        )


class TitleLine(TextAutomaton):
    """Begins with a title in double angular brackets, and has text below; a quotation mark may come before.

    States: the marks before, letters of the title, the marks behind, the text.
    """

    start = "quote"

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        if state == "quote" and character == '"':
            return "marks"
        if state in {"quote", "marks"}:
            return "<" if character == "<" else None
        if state == "<":
            return 0 if character == "<" else None
        if isinstance(state, int):
            return self._titled(state, character)
        if state == ">":
            return "line" if character == ">" else None
        if state == "line":
            return "below" if character == "\n" else None
        if state == "below" and character == "\n":
            return "below"
        return None if character.isspace() and state == "below" else "text"

    @staticmethod
    def _titled(state: int, character: str) -> Hashable | None:
        if character == ">":
            return ">" if state > 3 else None
        if not state and not character.isalpha():
            return None
        return min(state + 1, 48) if state < 48 and (character.isalnum() or character in " '-:") else None

    def accepts(self, state: Any) -> bool:
        """Return whether there is text."""
        return bool(state == "text")


class PostscriptEnd(TextAutomaton):
    """Ends with a line that begins with a mark and has three words or more behind it.

    States: line ends before, how much of the mark stands there, words of the postscript.
    """

    phase = "end"
    start = ("first", 0, _BLANK)

    def __init__(self, mark: str) -> None:
        self._mark = f"{mark} "

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        kind = state[0]
        if kind == "postscript":
            if character == "\n":
                return None
            return ("postscript", *_Line.after(state, character, _WORDS)[1:])
        if isinstance(kind, int):
            if self._mark[kind] != character:
                return None if kind > 1 else ("line" if character == "\n" else "text", 0, _BLANK)
            return ("postscript" if kind + 1 == len(self._mark) else kind + 1, 0, _BLANK)
        if kind == "line" and character == self._mark[0]:
            return 1, 0, _BLANK
        if character == "\n":
            return ("line" if kind != "first" else "first"), 0, _BLANK
        return "text", 0, _BLANK

    def accepts(self, state: Any) -> bool:
        """Return whether the postscript is long enough."""
        return bool(state[0] == "postscript" and state[1] >= _WORDS)
