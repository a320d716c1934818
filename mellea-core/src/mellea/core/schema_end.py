"""Whether a value of a JSON schema comes to an end: one that needs another of its kind never does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.schema_parts import pointed_at, types_of

__all__ = ["check_end"]

_LEVELS = 100
"""How deep a schema may be nested: what reads it takes some stack frames for each level."""


def check_end(schema: Mapping[str, Any]) -> None:
    """Check that a schema is not nested too deeply, and that some value of it comes to an end.

    Raises:
        UsageError: It is, or none does, or none is allowed.
    """
    references = {
        reference: target
        for reference in _references(schema)
        if (target := pointed_at(reference, schema)) is not None
    }
    endless = set(references)
    while ended := {each for each in endless if _ends(references[each], endless)}:
        endless -= ended
    if _ends(schema, endless):
        return
    if not endless:
        raise UsageError(
            "No value fits the JSON schema: it requires what it forbids.",
            hint="Look for a schema that is false.",
        )
    raise UsageError(
        f"No value of the JSON schema comes to an end: {', '.join(sorted(endless))} needs itself.",
        hint="Give it a way out: let it be None or left out, or let the list be empty.",
    )


def _references(schema: Mapping[str, Any]) -> set[str]:
    """Return every reference in a schema, level by level, each part looked at once a level."""
    found = set()
    level: dict[int, Any] = {id(schema): schema}
    for _ in range(_LEVELS):
        for node in level.values():
            if isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
                found.add(node["$ref"])
        level = {id(part): part for node in level.values() for part in _parts(node)}
        if not level:
            return found
    raise UsageError(
        f"The JSON schema is nested more than {_LEVELS} levels deep.",
        hint="Name its parts under $defs, and refer to them.",
    )


def _parts(node: Any) -> Iterator[Any]:
    parts = node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ()
    return (part for part in parts if isinstance(part, Mapping | list | tuple))


def _ends(node: Any, endless: Collection[str]) -> bool:
    """Tell whether some value comes to an end, where that is not so of the references that are named."""
    if not isinstance(node, Mapping):
        return node is not False
    if "const" in node or "enum" in node:
        return True
    if node.get("$ref") in endless:
        return False
    if not all(_ends(part, endless) for part in _listed(node, "allOf")):
        return False
    for keyword in ("anyOf", "oneOf"):
        choices = _listed(node, keyword)
        if choices and not any(_ends(part, endless) for part in choices):
            return False
    types = types_of(node) or ({"object"} if node.get("properties") else set())
    if not types or types - {"object", "array"}:
        return True
    return ("object" in types and _object_ends(node, endless)) or (
        "array" in types and _array_ends(node, endless)
    )


def _object_ends(node: Mapping[str, Any], endless: Collection[str]) -> bool:
    properties = node.get("properties")
    if not isinstance(properties, Mapping):
        return True
    return all(_ends(properties.get(name), endless) for name in _listed(node, "required"))


def _array_ends(node: Mapping[str, Any], endless: Collection[str]) -> bool:
    least = node.get("minItems", 0)
    if not isinstance(least, int) or least <= 0:
        return True
    first = _listed(node, "prefixItems")
    return all(_ends(part, endless) for part in first[:least]) and (
        len(first) >= least or _ends(node.get("items"), endless)
    )


def _listed(node: Mapping[str, Any], keyword: str) -> list[Any]:
    value = node.get(keyword)
    return list(value) if isinstance(value, list | tuple) else []
