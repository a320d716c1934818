"""Bounds for arguments that a model is held to, so that a call ends before its tokens do.

A small model that is held to a schema may fill a text without end. So what a schema leaves open gets as many
characters as there are tokens: no text takes more tokens than that, but for rare letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["bounded", "room_for"]

_DEFAULT = 2000
_FRAME = 40
"""Characters of what stands around the arguments."""
_PART = 10
"""Of what stands around a part: quotation marks, a colon, a comma, blanks."""
_SHORTEST, _SCALAR = 12, 16
_MOST_ITEMS = 8
_CLOSED = frozenset({"enum", "const", "pattern", "format", "maxLength"})


def room_for(tokens: Any) -> int:
    """Return how many characters the arguments of a call may take.

    Args:
        tokens: The most tokens of the answer; 2,000 if that is no number.
    """
    return max((tokens if isinstance(tokens, int) and tokens > 0 else _DEFAULT) - _FRAME, _SHORTEST)


def bounded(schema: Any, room: int) -> Any:
    """Return a schema whose values take no more characters than there is room.

    What has bounds of its own keeps them.

    Args:
        schema: A JSON schema.
        room: How many characters a value may take.
    """
    if not isinstance(schema, Mapping):
        return schema
    node = dict(schema)
    for several in ("anyOf", "oneOf"):
        if isinstance(node.get(several), list):
            node[several] = [bounded(branch, room) for branch in node[several]]
    types = node.get("type")
    kinds = {types} if isinstance(types, str) else set(types or ())
    if "string" in kinds and not _CLOSED & node.keys():
        node["maxLength"] = max(room, _SHORTEST)
    if "integer" in kinds and not {"minimum", "maximum", "enum"} & node.keys():
        node |= {"minimum": -(10**12), "maximum": 10**12}
    if "array" in kinds and "items" in node:
        most = node.setdefault("maxItems", max(1, min(_MOST_ITEMS, room // (_SHORTEST + _PART))))
        node["items"] = bounded(node["items"], room // max(int(most), 1) - _PART)
    if isinstance(node.get("properties"), Mapping):
        node["properties"] = _bounded_parts(node["properties"], room)
    return node


def _bounded_parts(parts: Mapping[str, Any], room: int) -> dict[str, Any]:
    """Return the parts of an object, with its room divided among those that are open."""
    is_open = {name: _is_open(part) for name, part in parts.items()}
    left = room - sum(len(name) + _PART + (0 if is_open[name] else _SCALAR) for name in parts)
    each = left // max(sum(is_open.values()), 1)
    return {name: bounded(part, each) for name, part in parts.items()}


def _is_open(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    branches = part.get("anyOf") or part.get("oneOf") or ()
    types = part.get("type")
    kinds = {types} if isinstance(types, str) else set(types or ())
    return any(map(_is_open, branches)) or (
        bool(kinds & {"string", "array", "object"}) and not _CLOSED & part.keys()
    )
