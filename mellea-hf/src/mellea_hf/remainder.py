"""What is left of a regular expression behind a text that has begun.

A text leaves behind it one or more rests of the expression, its partial derivatives (Antimirov, 1996), each a
run of nodes. The least text of the shortest rest completes it. How much that can be at most, wherever a text
is, is known beforehand: while there is more room than that, nobody need look.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from attrs import evolve, field, frozen

from mellea.core.steering.expressions import node_of
from mellea.core.steering.pattern import Choice, Letters, Literal, Node, Repeat
from mellea.core.steering.plan import NotSteerableError

__all__ = ["Remainder"]

_MOST = 2_000
"""Rests that are followed."""
_Rest = tuple[Node, ...]


@frozen
class Remainder:
    """What may follow on a text.

    Args:
        enough: Bytes with which every text that has begun can be completed, wherever it is; thus tokens too.
        rests: What is left of the expression; none where the text does not begin it, or where the rests are
            too many.
    """

    enough: int
    rests: tuple[_Rest, ...] = field(repr=False)

    @classmethod
    def of(cls, expression: str) -> Remainder | None:
        """Return what may follow on an empty text; None where the expression cannot be read."""
        try:
            node = node_of(expression)
            return cls(_needed(node), ((node,),))
        except (NotSteerableError, ValueError, RecursionError):
            return None

    def after(self, text: str) -> Remainder:
        """Return what may follow after some more of the text."""
        rests = self.rests
        for character in text:
            rests = tuple(dict.fromkeys(rest for before in rests for rest in _after(before, character)))
            if len(rests) > _MOST:
                rests = ()
        return evolve(self, rests=rests)

    @property
    def least(self) -> str | None:
        """A short text that completes the one before; None where none is known."""
        texts = ("".join(map(_least_of, rest)) for rest in self.rests)
        return min(texts, key=len, default=None)


@lru_cache(4096)
def _least_of(node: Node) -> str:
    """Return a short text that a node matches."""
    if isinstance(node, Literal):
        return node.text
    if isinstance(node, Letters):
        wanted = next((each for each in "a0A " if each in node), None)
        return wanted if wanted is not None else node.ranges[0][0]
    if isinstance(node, Choice):
        return min(map(_least_of, node.options), key=len)
    if isinstance(node, Repeat):
        return _least_of(node.node) * node.least
    return "".join(map(_least_of, node.parts))


@lru_cache(4096)
def _needed(node: Node) -> int:
    """Return the most bytes that a text within a node, or before it, needs to the node's end."""
    if isinstance(node, Literal):
        return len(node.text.encode())
    if isinstance(node, Letters):  # within a character, up to three bytes of it are left
        return max(len(_least_of(node).encode()), *(len(last.encode()) - 1 for _, last in node.ranges))
    if isinstance(node, Choice):
        return max(map(_needed, node.options))
    if isinstance(node, Repeat):
        return _needed(node.node) + max(node.least - 1, 0) * len(_least_of(node.node).encode())
    needed = behind = 0
    for part in reversed(node.parts):
        needed = max(needed, _needed(part) + behind)
        behind += len(_least_of(part).encode())
    return needed


def _after(rest: _Rest, character: str) -> Iterator[_Rest]:
    """Yield what is left of a rest behind a character."""
    for place, node in enumerate(rest):
        for begun in _begun(node, character):
            yield (*begun, *rest[place + 1 :])
        if _least_of(node):
            return


def _begun(node: Node, character: str) -> Iterator[_Rest]:
    """Yield what is left of a node that begins with a character."""
    if isinstance(node, Literal):
        if node.text[:1] == character:
            yield (Literal(node.text[1:]),) if len(node.text) > 1 else ()
    elif isinstance(node, Letters):
        if character in node:
            yield ()
    elif isinstance(node, Choice):
        for option in node.options:
            yield from _begun(option, character)
    elif isinstance(node, Repeat):
        if node.most != 0:
            again = Repeat(node.node, max(node.least - 1, 0), None if node.most is None else node.most - 1)
            for begun in _begun(node.node, character):
                yield (*begun, again) if again.most != 0 else begun
    else:
        yield from _after(node.parts, character)
