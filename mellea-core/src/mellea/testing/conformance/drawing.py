"""Texts drawn at random from the plan of a text, as a model that is held to it might write them."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from mellea.core.steering.layout import layout
from mellea.core.steering.pattern import Choice, Letters, Literal, Node, Repeat, Sequence
from mellea.core.steering.plan import TextPlan

__all__ = ["draw", "drawn"]

_FURTHEST = 5


def drawn(plan: TextPlan, number: int, seed: int = 1) -> list[str]:
    """Return texts of a plan, as they are read."""
    node, dice = layout(plan), Random(seed)  # noqa: S311  no secret
    return [plan.cased(draw(node, dice)) for _ in range(number)]


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
            return _repeated(inner, least, most, dice)


def _repeated(inner: Node, least: int, most: int | None, dice: Random) -> str:
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
