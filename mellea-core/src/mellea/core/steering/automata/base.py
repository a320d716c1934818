"""What an automaton over the characters of a text is, and the classes that characters fall into."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Literal

__all__ = ["CLASSES", "TextAutomaton", "class_of", "is_word"]

Phase = Literal["anywhere", "end", "whole"]

_LATIN = "".join(chr(code) for code in range(0xC0, 0x180) if chr(code).isalpha() and chr(code) not in "ĸŉſıİ")
_TYPOGRAPHIC = "\u2018\u2019\u201c\u201d\u2013\u2014\u00b7\u2022\u20ac\u00a3\u00a7\u00b0"
_SINGLE = tuple(f"\n{string.printable[:95]}{_LATIN}{_TYPOGRAPHIC}")
_OTHERS = ("\u0436", "\u0416", "\u4e2d", "\u2192")
"""A small letter, a capital, a letter without case, and a mark, each for all others of its kind."""
_CUTS = set("\u2026\u3002\uff01\uff1f\u0964\u061f\u037e")
"""Marks beyond ASCII that end a sentence for one check and not for another."""

CLASSES: tuple[str, ...] = (*_SINGLE, *_OTHERS)
"""A character for each class; those that forms speak of are a class of their own."""
_NUMBER = {character: number for number, character in enumerate(CLASSES)}


@lru_cache(65536)
def class_of(character: str) -> int:
    """Return the number of a character's class, or -1 for one that no automaton takes.

    Those are control characters and unusual space, marks that join the character before, digits and ends of
    sentences of other scripts, and letters that change their length or become ASCII in another case.
    """
    if character in _NUMBER:
        return _NUMBER[character]
    if character in _CUTS or character.isspace() or unicodedata.category(character)[0] in "CMN":
        return -1
    if not character.isalpha():
        return _NUMBER[_OTHERS[3]]
    if any(len(form) != 1 or form.isascii() for form in (character.lower(), character.upper())):
        return -1
    if len(character.casefold()) != 1 or (character.istitle() and not character.isupper()):
        return -1
    return _NUMBER[_OTHERS[0 if character.islower() else 1 if character.isupper() else 2]]


def is_word(character: str) -> bool:
    r"""Return whether a regular expression's ``\w`` takes a character."""
    return character.isalnum() or character == "_"


class TextAutomaton:
    """Reads a text character by character and says whether it has a form. It has no state of its own.

    One of your own overrides ``step``, and what else it needs. It must take no text that the form's check
    refuses; it may take fewer. What it counts belongs into ``gains`` with the bounds ``least`` and ``most``,
    not into its states, of which some hundred are many.
    """

    start: Hashable = 0
    """The state before the first character."""
    least: int = 0
    """How much the whole text must gain."""
    most: int | None = None
    """How much it may gain; None for no bound."""
    phase: Phase = "anywhere"
    """When it is met: ``end`` for what has to come last, ``whole`` where it gives the text as a whole."""
    exact: bool = False
    """Whether it takes every text that the check takes, up to unusual characters and space."""

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the state after a character; None where it may not come."""
        raise NotImplementedError

    def gains(self, state: Any, character: str) -> int:
        """Return how much a character adds to what is counted: 0, or a small positive number."""
        return 0

    def accepts(self, state: Any) -> bool:
        """Return whether a text may end in a state, apart from what is counted."""
        return True

    def rests(self, state: Any) -> bool:
        """Return whether a token may end in a state."""
        return True

    def reads(self, text: str) -> bool:
        """Return whether it takes a text."""
        state: Hashable | None = self.start
        count = 0
        for character in text:
            number = class_of(character)
            if number < 0 or state is None:
                return False
            count += self.gains(state, CLASSES[number])
            state = self.step(state, CLASSES[number])
        within = self.least <= count and (self.most is None or count <= self.most)
        return state is not None and within and self.accepts(state)
