"""Patterns of texts as values, and how they are written in the dialect that servers keep.

A server that constrains by a grammar (llama.cpp's and Ollama's) keeps the ``pattern`` of a JSON string if it
is anchored at both ends and made of literals, classes, groups, alternatives and counts. The pattern is held
against the string as JSON writes it, so what JSON escapes is written out here: a new line is a backslash and
an n, a quotation mark a backslash and the mark.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TypeAlias

from attrs import field, frozen

__all__ = [
    "Choice",
    "Letters",
    "Literal",
    "Node",
    "Repeat",
    "Sequence",
    "anchored",
    "choice",
    "optional",
    "plain",
    "repeat",
    "sequence",
    "shared",
]

_RANGE_ENDS = 2
_JSON_ESCAPE = re.compile(r"\\\\(u[0-9a-f]{4}|\\\\|.)|\\.")
"""A backslash of JSON, escaped in the pattern, with what follows; or another escape of the pattern."""


@frozen(cache_hash=True)
class Literal:
    """One text, to the letter."""

    text: str


@frozen(cache_hash=True)
class Letters:
    """One character out of ranges.

    Args:
        ranges: Pairs of first and last character; neither quotation mark, backslash nor a control character
            is in them.
    """

    ranges: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, ranges: str) -> Letters:
        """Return the class for ranges written one after the other, such as ``"azAZ"``."""
        return cls(tuple(zip(ranges[::2], ranges[1::2], strict=True)))

    @classmethod
    def among(cls, characters: str) -> Letters:
        """Return the class of single characters."""
        return cls(tuple((each, each) for each in sorted(set(characters))))

    def __contains__(self, character: str) -> bool:
        return any(first <= character <= last for first, last in self.ranges)

    def without(self, characters: str) -> Letters:
        """Return the class without some characters."""
        ranges = list(self.ranges)
        for each in characters:
            ranges = [piece for first, last in ranges for piece in _split(first, last, each)]
        return Letters(tuple(ranges))

    def __or__(self, other: Letters) -> Letters:
        return Letters(tuple(dict.fromkeys((*self.ranges, *other.ranges))))


def _split(first: str, last: str, taken: str) -> list[tuple[str, str]]:
    if not first <= taken <= last:
        return [(first, last)]
    pieces = [(first, chr(ord(taken) - 1))] if taken > first else []
    return [*pieces, (chr(ord(taken) + 1), last)] if taken < last else pieces


@frozen(cache_hash=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@frozen(cache_hash=True)
class Choice:
    """One of several."""

    options: tuple[Node, ...]


@frozen(cache_hash=True)
class Repeat:
    """The same, several times.

    Args:
        node: What is repeated.
        least: How often at least.
        most: How often at most; None for no bound.
    """

    node: Node
    least: int
    most: int | None = field(default=None)


Node: TypeAlias = Literal | Letters | Sequence | Choice | Repeat


def sequence(*parts: Node | str) -> Node:
    """Return the parts in this order; neighbouring texts become one."""
    flat: list[Node] = []
    for part in parts:
        node = Literal(part) if isinstance(part, str) else part
        for piece in node.parts if isinstance(node, Sequence) else (node,):
            if isinstance(piece, Literal) and flat and isinstance(flat[-1], Literal):
                flat[-1] = Literal(flat[-1].text + piece.text)
            elif piece != Literal(""):
                flat.append(piece)
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat)) if flat else Literal("")


def choice(*options: Node | str) -> Node:
    """Return one of the options, each counted once."""
    nodes = tuple(dict.fromkeys(Literal(option) if isinstance(option, str) else option for option in options))
    return nodes[0] if len(nodes) == 1 else Choice(nodes)


def repeat(node: Node, least: int, most: int | None) -> Node:
    """Return the node so many times."""
    if most == 0:
        return Literal("")
    return node if least == most == 1 else Repeat(node, least, most)


def shared(node: Node) -> Node:
    """Return the node in a form that servers keep once, however often it stands in a pattern.

    Counted, once.
    """
    return Repeat(node, 1, 1)


def optional(node: Node) -> Node:
    """Return the node or nothing."""
    return node if node == Literal("") else Repeat(node, 0, 1)


def anchored(node: Node) -> str:
    """Return the pattern, to be sent as that of a JSON string."""
    return f"^{_written(node)}$"


@lru_cache(4096)
def _written(node: Node, *, unit: bool = False) -> str:
    """Write a node.

    Args:
        node: What to write.
        unit: Whether a count or another alternative follows, so that it must hold together.
    """
    match node:
        case Literal(text):
            written = "".join(map(_escaped, text))
            return f"({written})" if unit else written
        case Letters(ranges):
            alone = len(ranges) == 1 and ranges[0][0] == ranges[0][1] and not unit
            return _escaped(ranges[0][0]) if alone else _class(ranges)
        case Sequence(parts):
            written = "".join(_written(part, unit=isinstance(part, Choice)) for part in parts)
            return f"({written})" if unit else written
        case Choice(options):
            return f"({'|'.join(_written(option) for option in options)})"
        case Repeat(inner, least, most):
            written = _written(inner, unit=True) + _count(least, most)
            return f"({written})" if unit else written


def plain(pattern: str) -> str:
    """Return a pattern as it holds for the text itself, for engines that write no JSON around it.

    Args:
        pattern: The pattern of a JSON string, as ``anchored`` writes it.
    """
    return _JSON_ESCAPE.sub(_as_itself, pattern)


def _as_itself(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    name = found[1].replace("\\\\", "\\")
    return re.escape(str(json.loads(f'"\\{name}"'))).replace("\\\n", "\\n")


def _count(least: int, most: int | None) -> str:
    if (least, most) == (0, 1):
        return "?"
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least}}}" if least == most else f"{{{least},{most}}}"


def _escaped(character: str) -> str:
    """Return a character as it stands in JSON, each sign of that with the pattern's own escape."""
    in_json = json.dumps(character, ensure_ascii=False)[1:-1]
    return "".join("\\" + sign if sign in "\\^$.[](){}|*+?" else sign for sign in in_json)


def _class(ranges: tuple[tuple[str, str], ...]) -> str:
    """Return a class in which only brackets are escaped, since the servers know no other escape there."""
    singles, spans = "", ""
    for pair in ranges:
        first, last = pair
        while first < last and first in _MARKS:  # what has to stand by itself begins and ends no range
            singles, first = singles + first, chr(ord(first) + 1)
        while first < last and last in _MARKS:
            singles, last = singles + last, chr(ord(last) - 1)
        if first == last:
            singles += first
        else:
            spans += f"{first}-{last}" if ord(last) - ord(first) >= _RANGE_ENDS else first + last
    plain_ones = "".join(sign for sign in singles if sign not in _MARKS)
    inside = spans + plain_ones + "".join(f"\\{sign}" for sign in "[]" if sign in singles)
    ends = "".join(sign for sign in "^-" if sign in singles)
    return f"[{inside}{ends if inside else ends[::-1]}]"


_MARKS = "[]^-"
