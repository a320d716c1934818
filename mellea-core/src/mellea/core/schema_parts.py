"""The parts of a JSON schema: what it names, what references point to, what several schemas are in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "NOTES",
    "mentions",
    "merged",
    "pointed_at",
    "type_of",
    "types_of",
    "with_own_root",
    "without_root_references",
]

NOTES = frozenset(
    {
        *(
            "title",
            "description",
            "default",
            "examples",
            "example",
            "deprecated",
            "readOnly",
            "writeOnly",
            "discriminator",
        ),
        *(
            "$schema",
            "$id",
            "$comment",
            "$anchor",
            "$vocabulary",
            "contentEncoding",
            "contentMediaType",
            "contentSchema",
        ),
        *("nullable", "externalDocs", "xml"),
    }
)
"""Keywords that a text cannot break."""


def types_of(node: Any) -> frozenset[str]:
    """Return the types that a schema names; none if it names none."""
    named = node.get("type", ()) if isinstance(node, Mapping) else ()
    return frozenset((named,) if isinstance(named, str) else named)


def type_of(value: Any) -> str:
    """Return the type of a JSON value as schemas name it."""
    names: dict[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        type(None): "null",
        list: "array",
    }
    return names.get(type(value), "object")


def mentions(node: Any, reference: str) -> bool:
    """Tell whether a reference occurs within a schema."""
    if isinstance(node, Mapping):
        return node.get("$ref") == reference or any(mentions(part, reference) for part in node.values())
    return isinstance(node, list) and any(mentions(part, reference) for part in node)


def pointed_at(reference: str, root: Mapping[str, Any]) -> Any:
    """Return the schema that a reference within a document points to, or None if it points nowhere."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    node: Any = root
    for step in reference[1:].split("/")[1:]:
        name = _unquoted(step).replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif (
            isinstance(node, Sequence)
            and not isinstance(node, str)
            and name.isdigit()
            and int(name) < len(node)
        ):
            node = node[int(name)]
        else:
            return None
    return node if isinstance(node, Mapping | bool) else None


def _unquoted(step: str) -> str:
    if "%" not in step:
        return step
    from urllib.parse import unquote  # noqa: PLC0415  hardly any reference has such names

    return unquote(step)


def merged(schemas: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return one schema that says what several say together, or None where they speak of the same thing."""
    whole: dict[str, Any] = {}
    for schema in schemas:
        for keyword, value in schema.items():
            if keyword not in whole or keyword in NOTES or whole[keyword] == value:
                whole.setdefault(keyword, value)
            elif keyword == "required":
                whole[keyword] = [*whole[keyword], *(name for name in value if name not in whole[keyword])]
            elif keyword == "properties" and all(
                whole[keyword].get(name, part) == part for name, part in value.items()
            ):
                whole[keyword] = {**whole[keyword], **value}
            else:
                return None
    closed = [schema for schema in schemas if schema.get("additionalProperties", True) is not True]
    knows_all = all(
        schema.get("properties", {}).keys() == whole.get("properties", {}).keys() for schema in closed
    )
    return whole if knows_all else None


def with_own_root(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema whose root is no mere reference to one of its definitions."""
    target = pointed_at(schema["$ref"], schema) if isinstance(schema.get("$ref"), str) else None
    if not isinstance(target, Mapping) or target is schema:
        return schema
    return {**{key: value for key, value in schema.items() if key != "$ref"}, **target}


def without_root_references(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema in which references to the whole go to a definition: some engines know no others."""
    if not _refers_to_root(schema):
        return schema
    name = "root"
    while name in schema.get("$defs", {}):
        name += "_"
    inner = _redirected({key: value for key, value in schema.items() if key != "$defs"}, f"#/$defs/{name}")
    definitions = _redirected(schema.get("$defs", {}), f"#/$defs/{name}")
    return {"$ref": f"#/$defs/{name}", "$defs": {**definitions, name: inner}}


def _refers_to_root(node: Any) -> bool:
    if isinstance(node, Mapping):
        return node.get("$ref") == "#" or any(map(_refers_to_root, node.values()))
    return isinstance(node, list) and any(map(_refers_to_root, node))


def _redirected(node: Any, reference: str) -> Any:
    if isinstance(node, Mapping):
        return {
            key: reference if key == "$ref" and value == "#" else _redirected(value, reference)
            for key, value in node.items()
        }
    return [_redirected(item, reference) for item in node] if isinstance(node, list) else node
