"""Automata about words and letters: what occurs and what does not, how a text begins and ends, case."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from mellea.core.steering.automata.base import TextAutomaton, is_word

__all__ = ["Absent", "Beginning", "Cased", "Ending", "Letters", "Occurrences", "Without"]


class Occurrences(TextAutomaton):
    """Counts how often a text occurs, whatever its case, where a word begins.

    The state is how many of its characters stand there, or -1 within another word. With an upper bound the
    text is a whole word each time: no letter comes behind it.

    Args:
        text: The text.
        least: How often at least.
        most: How often at most; None for no bound.
    """

    def __init__(self, text: str, least: int, most: int | None) -> None:
        self._text = text.casefold()
        self.least, self.most = least, most
        self.exact = most is None

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return how many characters of the text stand there."""
        size, character = len(self._text), character.casefold()
        if state == size:
            if self.most is not None and is_word(character) and is_word(self._text[-1]):
                return None
            state = -1 if is_word(self._text[-1]) else 0
        if state >= 0 and self._text[state] == character:
            return int(state) + 1
        if is_word(character):
            return -1 if state != 0 or is_word(self._text[0]) else 0
        return self._fallen_back(state, character)

    def _fallen_back(self, state: int, character: str) -> int:
        """Return how much of the text's beginning ends with a character that is none of a word's."""
        seen = self._text[: max(state, 0)] + character
        for size in range(min(len(seen), len(self._text)), 0, -1):
            before = seen[-size - 1 : -size]
            if self._text.startswith(seen[-size:]) and not (before and is_word(before)):
                return size
        return 0

    def gains(self, state: Any, character: str) -> int:
        """Return 1 where the text is complete."""
        size = len(self._text)
        return int(self.step(state, character) == size)


class Absent(TextAutomaton):
    """Keeps words and phrases out, whatever their case; no token may end where one stands complete.

    The state is what the text ends with of one of them, and whether a word is being written.

    Args:
        words: The words and phrases.
    """

    start = ("", False)
    exact = True

    def __init__(self, words: Iterable[str]) -> None:
        self._words = [word.casefold() for word in words]

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return what stands there of a word."""
        seen, inside = state
        character = character.casefold()
        if self._complete(state) and not is_word(character):
            return None
        text = seen + character
        for start in range(len(text)):
            before = text[start - 1] if start else ("a" if inside and not seen else " ")
            if any(word.startswith(text[start:]) for word in self._words) and not (
                is_word(before) and is_word(text[start])
            ):
                return text[start:], is_word(character)
        return "", is_word(character)

    def _complete(self, state: Any) -> bool:
        seen = state[0]
        return bool(any(seen == word or seen.endswith(f" {word}") for word in self._words))

    def accepts(self, state: Any) -> bool:
        """Return whether none of them stands at the end."""
        return bool(not self._complete(state))

    def rests(self, state: Any) -> bool:
        """Return the same for the end of a token."""
        return bool(not self._complete(state))


class Without(TextAutomaton):
    """Keeps a text out, whatever its case, within words too (Knuth, Morris and Pratt, 1977).

    The state is how many of its characters stand there.

    Args:
        text: The text.
    """

    exact = True

    def __init__(self, text: str) -> None:
        self._text = text.casefold()

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return how many of its characters stand there; None where it is complete."""
        for each in character.casefold():
            seen = self._text[:state] + each
            sizes = range(len(seen), -1, -1)
            state = next(size for size in sizes if self._text.startswith(seen[len(seen) - size :]))
            if state == len(self._text):
                return None
        return int(state)


class Letters(TextAutomaton):
    """Takes only the characters that a test takes, and a letter at least.

    Args:
        test: Tells of a character whether it may come.
        needs_letter: Whether there must be one.
    """

    start = False

    def __init__(
        self, test: Callable[[str], bool], *, needs_letter: bool = False, exact: bool = True
    ) -> None:
        self._test, self._needs = test, needs_letter
        self.exact = exact

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return whether there is a letter."""
        return (state or (self._needs and character.isalpha())) if self._test(character) else None

    def accepts(self, state: Any) -> bool:
        """Return whether there is a letter, where one is needed."""
        return bool(state) or not self._needs


class Cased(TextAutomaton):
    """Begins each word with a capital and goes on in small letters, but for one behind an apostrophe.

    None of these is a curved one, behind which a checker may see a word. States: before the first letter,
    behind a letter, behind an apostrophe, elsewhere.
    """

    start = "none"

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character."""
        if character.isalpha():
            lower, upper = character.islower(), character.isupper()
            fits = {"letter": lower, "apostrophe": lower or upper}.get(state, upper)
            return "letter" if fits else None
        if state == "letter" and character in "'\u2019":
            return "apostrophe" if character == "'" else None
        return "none" if state == "none" else "else"

    def accepts(self, state: Any) -> bool:
        """Return whether there is a letter."""
        return bool(state != "none")


class Beginning(TextAutomaton):
    """Begins with a text, behind which no letter follows at once."""

    exact = True

    def __init__(self, text: str) -> None:
        self._text = text

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return how much of the beginning stands there."""
        size = len(self._text)
        if state < size:
            return state + 1 if character == self._text[state] else None
        if state == size and is_word(character) and is_word(self._text[-1]):
            return None
        return size + 1

    def accepts(self, state: Any) -> bool:
        """Return whether all of it stands there."""
        return bool(state >= len(self._text))


class Ending(TextAutomaton):
    """Ends with a text, that begins where a word may; one with a capital, where a sentence may.

    The state is how much of the end stands there, or what stands there instead: ``fresh`` where a sentence
    may begin, ``mark`` behind the end of one, ``line`` where a line begins in the middle of one, ``item`` in
    a line with a sign, ``word`` and ``blank`` elsewhere.
    """

    phase = "end"
    start = "fresh"

    def __init__(self, text: str) -> None:
        self._text = text
        self.exact = not text[0].isupper()
        self._begins = {"fresh"}
        if self.exact:
            self._begins |= {"blank", "line", "item", "mark"}
        if not is_word(text[0]):
            self._begins |= {"word", "item word"}
        places = ["fresh"]
        for character in text:
            places.append(_place(places[-1], character))
        self._places = places

    def step(self, state: Any, character: str) -> Hashable:
        """Return how much of the end stands there, or what else."""
        text = self._text
        size, place = (state, self._places[state]) if isinstance(state, int) else (0, state)
        if size and size < len(text) and text[size] == character:
            return size + 1
        seen = text[:size] + character
        for kept in range(size, 0, -1):
            if text.startswith(seen[-kept:]) and self._places[size + 1 - kept] in self._begins:
                return kept
        if not size and character == text[0] and place in self._begins:
            return 1
        return _place(place, character)

    def accepts(self, state: Any) -> bool:
        """Return whether all of it stands there."""
        return bool(state == len(self._text))

    def reads_end(self, marks: str) -> bool:
        """Return whether the end is, or has behind its last letter, one of some marks."""
        return self._text.rstrip("\"')]*")[-1:] in set(marks)


_SIGNS = frozenset("*#-+<0123456789")
"""What a line of a list, a heading or a title begins with."""


def _place(place: str, character: str) -> str:
    """Return what stands there after a character: see ``Ending``."""
    if character == "\n":
        return "line" if place in {"word", "blank", "line"} else "fresh"
    in_item = place.startswith("item")
    if character.isspace():
        return {"mark": "fresh", "fresh": "fresh", "line": "line"}.get(place, "item" if in_item else "blank")
    if place == "item sign" and (character in _SIGNS or character in ".)"):
        return place
    if character in ".!?" or (place == "mark" and character in "\"')]*"):
        return "mark"
    if place in {"fresh", "line"} and character in _SIGNS:
        return "item sign"
    if in_item:
        return "item word" if is_word(character) else "item"
    return "word" if is_word(character) else "blank"
