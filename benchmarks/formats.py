"""Formats for structured output, drawn at random: the same for every run of a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

__all__ = ["Case", "cases"]

_WORDS = ("name", "city", "kind", "note", "age", "count", "items", "parent", "when", "code")
_PATTERNS = ("^[A-Z]{3}-[0-9]{4}$", "^(ab)*c$", "^[a-z]+@[a-z]+\\.org$", "^#[0-9a-f]{6}$", "^(yes|no|maybe)$")
_DEEPEST = 3


@frozen
class Case:
    """A format, and a limit on tokens.

    Args:
        schema: The JSON schema.
        limit: How many tokens an answer may have.
    """

    schema: dict[str, Any]
    limit: int


def cases(number: int, seed: int = 0) -> Iterator[Case]:
    """Iterate over formats with limits: objects, lists, unions, recursion, patterns, long enums, bounds."""
    draw = random.Random(seed)
    for _ in range(number):
        schema = _drawn(draw, 0)
        if draw.random() < 0.15:
            schema = _tree(schema)
        yield Case(schema, draw.choice((3, 6, 12, 16, 24, 32, 48, 64)))


def _drawn(draw: random.Random, depth: int) -> dict[str, Any]:
    kinds: list[Callable[[random.Random, int], dict[str, Any]]] = [_object, _list, _union]
    simple: list[Callable[[random.Random, int], dict[str, Any]]] = [
        _text,
        _pattern,
        _number,
        _choice,
        _list_of_texts,
    ]
    if depth >= _DEEPEST:
        return draw.choice(simple)(draw, depth)
    if depth == 0:
        return draw.choice(kinds)(draw, depth)
    return draw.choice([*kinds, *simple, *simple])(draw, depth)


def _object(draw: random.Random, depth: int) -> dict[str, Any]:
    names = draw.sample(_WORDS, draw.randint(1, 4))
    required = [name for name in names if draw.random() < 0.7] or names[:1]
    properties = {name: _drawn(draw, depth + 1) for name in names}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(draw: random.Random, depth: int) -> dict[str, Any]:
    least = draw.randint(0, 3)
    return {"type": "array", "items": _drawn(draw, depth + 1), "minItems": least, "maxItems": least + 4}


def _list_of_texts(draw: random.Random, depth: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "minItems": draw.randint(0, 4)}


def _union(draw: random.Random, depth: int) -> dict[str, Any]:
    return {"anyOf": [_object(draw, depth + 1), draw.choice((_number, _list_of_texts))(draw, depth)]}


def _text(draw: random.Random, depth: int) -> dict[str, Any]:
    return {"type": "string", **({"minLength": draw.randint(1, 60)} if draw.random() < 0.4 else {})}


def _pattern(draw: random.Random, depth: int) -> dict[str, Any]:
    return {"type": "string", "pattern": draw.choice(_PATTERNS)}


def _number(draw: random.Random, depth: int) -> dict[str, Any]:
    least = draw.randint(-50, 2000)
    bounds = {"minimum": least, "maximum": least + draw.randint(0, 5000)}
    return draw.choice(({"type": "integer", **bounds}, {"type": "number"}, {"type": "boolean"}))


def _choice(draw: random.Random, depth: int) -> dict[str, Any]:
    kind = draw.choice(("row", "case", "long winded kind of thing"))
    return {"enum": [f"{kind} number {index}" for index in range(draw.choice((2, 40, 150)))]}


def _tree(value: dict[str, Any]) -> dict[str, Any]:
    node = {"$ref": "#/$defs/Node"}
    properties = {
        "value": value,
        "next": {"anyOf": [node, {"type": "null"}]},
        "children": {"type": "array", "items": node},
    }
    held = {
        "type": "object",
        "properties": properties,
        "required": ["value", "next"],
        "additionalProperties": False,
    }
    return {**node, "$defs": {"Node": held}}
