"""What OpenAI's strict mode takes: the documented subset of JSON schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mellea.core.schema_parts import types_of

__all__ = ["obstacle_to_strict"]

_MOST_LEVELS, _MOST_PROPERTIES, _MOST_CHOICES = 10, 5000, 1000
_NAMED = "#/$defs/", "#/definitions/"


def obstacle_to_strict(schema: Mapping[str, Any]) -> str | None:
    """Return what keeps strict mode from taking a schema, as a clause; None if it takes it.

    Args:
        schema: A schema without keywords that strict mode does not know.
    """
    if "object" not in types_of(schema) or "anyOf" in schema:
        return "$ is no object"
    counts = {"properties": 0, "enum": 0}
    for node, path, level in _nodes(schema, "$", 1):
        if obstacle := _obstacle(node, path):
            return obstacle
        if level > _MOST_LEVELS:
            return f"{path} is nested more than {_MOST_LEVELS} levels"
        for keyword in counts:
            counts[keyword] += len(node.get(keyword, ()))
    if counts["properties"] > _MOST_PROPERTIES:
        return f"there are more than {_MOST_PROPERTIES} properties"
    return f"there are more than {_MOST_CHOICES} choices" if counts["enum"] > _MOST_CHOICES else None


def _nodes(node: Mapping[str, Any], path: str, level: int) -> Iterator[tuple[Mapping[str, Any], str, int]]:
    yield node, path, level
    for name, part in node.get("properties", {}).items():
        yield from _nodes(part, f"{path}.{name}", level + 1)
    for choice in node.get("anyOf", ()):
        yield from _nodes(choice, path, level)
    if isinstance(node.get("items"), Mapping):
        yield from _nodes(node["items"], f"{path}[]", level + 1)
    for keyword in ("$defs", "definitions"):
        for name, part in node.get(keyword, {}).items():
            yield from _nodes(part, name, 1)


def _obstacle(node: Mapping[str, Any], path: str) -> str | None:
    if "$ref" in node:
        return (
            None
            if node["$ref"] == "#" or node["$ref"].startswith(_NAMED)
            else f"{path} refers to {node['$ref']}"
        )
    types = types_of(node)
    if not types and "anyOf" not in node:
        return f"{path} is of any type"
    if "object" in types:
        properties = node.get("properties", {})
        if node.get("additionalProperties") is not False or set(node.get("required", ())) != set(properties):
            return f"{path} is an object of any properties"
    if "array" in types and not isinstance(node.get("items"), Mapping):
        return f"{path} is an array of items that are not alike"
    return None
