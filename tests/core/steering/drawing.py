"""Texts drawn from a pattern, and whether a pattern admits a text: both by walking over its nodes."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from mellea.core.steering.layout import layout
from mellea.core.steering.pattern import Choice, Letters, Literal, Node, Repeat, Sequence
from mellea.core.steering.plan import TextPlan

_FURTHEST = 5


def draw(node: Node, dice: Random) -> str:
    """Return one of the texts of a pattern."""
    match node:
        case Literal(text):
            return text
        case Letters(ranges):
            first, last = dice.choice(ranges)
            return chr(dice.randint(ord(first), ord(last)))
        case Sequence(parts):
            return "".join(draw(part, dice) for part in parts)
        case Choice(options):
            return draw(dice.choice(options), dice)
        case Repeat(inner, least, most):
            far = most if most is not None and dice.random() < 0.1 else least + _FURTHEST
            most = far if most is None else min(most, far)
            number = dice.choice((least, most, dice.randint(least, most)))
            if isinstance(inner, Letters) and number > 1:
                return "".join(dice.choices(_alphabet(inner), k=number))
            return "".join([draw(inner, dice) for _ in range(number)])


@lru_cache(256)
def _alphabet(letters: Letters) -> str:
    """Return the characters of a class; of a large one, some out of each range."""
    return "".join(
        chr(code)
        for first, last in letters.ranges
        for code in range(ord(first), ord(last) + 1, 1 + (ord(last) - ord(first)) // 200)
    )


def drawn(plan: TextPlan, number: int, seed: int = 1) -> list[str]:
    """Return texts of a plan."""
    node, dice = layout(plan), Random(seed)
    return [draw(node, dice) for _ in range(number)]


def admits(node: Node, text: str) -> bool:
    """Return whether a pattern admits a text as a whole."""
    return len(text) in _ends(node, text, frozenset([0]))


def _ends(node: Node, text: str, starts: frozenset[int]) -> frozenset[int]:
    """Return where a pattern may end that begins at one of some places."""
    match node:
        case Literal(wanted):
            return frozenset(start + len(wanted) for start in starts if text.startswith(wanted, start))
        case Letters():
            return frozenset(start + 1 for start in starts if start < len(text) and text[start] in node)
        case Sequence(parts):
            for part in parts:
                starts = _ends(part, text, starts) if starts else starts
            return starts
        case Choice(options):
            return frozenset().union(*(_ends(option, text, starts) for option in options))
        case Repeat(inner, least, most):
            return _repeated(inner, least, most, text, starts)


def _repeated(inner: Node, least: int, most: int | None, text: str, starts: frozenset[int]) -> frozenset[int]:
    found = starts if least == 0 else frozenset()
    turn = 0
    while starts and (most is None or turn < most):
        starts, turn = _ends(inner, text, starts), turn + 1
        if turn >= least:
            if most is None and starts <= found:
                break
            found |= starts
    return found
