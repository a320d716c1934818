"""Says a JSON schema in other words: a walk through its parts, a table of what becomes of each keyword."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import define, field, frozen

from mellea.core.schema_parts import NOTES, mentions, merged, pointed_at

__all__ = [
    "LEFT_OUT",
    "SHAPE",
    "Rule",
    "Speaker",
    "Words",
    "all_of",
    "first_items",
    "kept",
    "one_schema",
    "others",
]

LEFT_OUT: Any = object()
"""What a rule returns for a keyword that is not sent."""
_MOST_INLINED = 500
"""Definitions that are written out where they are used; each may use others twice, and so on."""

Rule: TypeAlias = "Callable[[Speaker, Mapping[str, Any], Any, str], Any]"
"""Returns what is sent for a keyword, given the speaker, the schema, the value, and where it stands."""


@frozen
class Words:
    """What an engine understands.

    Args:
        rules: What becomes of each keyword; one that is not here is left out.
        prepared: Returns a schema with other keywords, before the rules are asked.
        tells_notes: Whether the model is shown descriptions, so that they are worth writing definitions out.
    """

    rules: Mapping[str, Rule]
    prepared: Callable[[Speaker, Mapping[str, Any], str], Mapping[str, Any]]
    tells_notes: bool = False


@define
class Speaker:
    """Says one schema in one dialect.

    Args:
        root: The whole schema.
        words: The dialect.
    """

    root: Mapping[str, Any]
    words: Words
    unsaid: list[str] = field(init=False, factory=list)
    _inlined: list[str] = field(init=False, factory=list)
    _budget: int = field(init=False, default=_MOST_INLINED)

    def said(self, node: Any, path: str, *, part_of_all: bool = False) -> dict[str, Any]:
        """Return a schema within the whole in the words of the dialect.

        Args:
            node: The schema.
            path: Where it stands, for what is reported.
            part_of_all: Whether other schemas speak of the same object, so that it cannot be closed.
        """
        if not isinstance(node, Mapping):
            if node is False:
                self.leave_out(path, "false")
            return {}
        before = len(self._inlined)
        node = self.words.prepared(self, self._joined(node, path), path)
        said: dict[str, Any] = {}
        for keyword, value in node.items():
            rule = self.words.rules.get(keyword)
            if rule is not None:
                told = rule(self, node, value, path)
                if told is not LEFT_OUT:
                    said[keyword] = told
            elif keyword in ("title", "description"):
                said[keyword] = value
            elif keyword not in NOTES and value is not False:
                self.leave_out(path, keyword, value)
        if not part_of_all and _names_all(said):
            # Models, small ones above all, invent properties without end where they may.
            said.setdefault("additionalProperties", False)
        del self._inlined[before:]
        return said

    def _joined(self, node: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """Return a schema that says itself what it says through ``allOf``, or a reference beside others."""
        if isinstance(node.get("$ref"), str):
            return self._dereferenced(node, node["$ref"], path)
        if isinstance(node.get("allOf"), list):
            parts = [self._resolved(part) for part in node["allOf"]]
            whole = merged([{key: value for key, value in node.items() if key != "allOf"}, *parts])
            if whole is not None:
                return self._joined(whole, path)
        return node

    def _dereferenced(self, node: Mapping[str, Any], reference: str, path: str) -> Mapping[str, Any]:
        definitions = {key: node[key] for key in ("$defs", "definitions") if key in node}
        beside = {key: value for key, value in node.items() if key != "$ref" and key not in definitions}
        target = pointed_at(reference, self.root)
        if target is None:
            self.leave_out(path, "$ref", reference)
            return beside | definitions
        constraints = beside.keys() - NOTES
        if not (constraints or ("description" in beside and self.words.tells_notes)):
            return {"$ref": reference, **definitions}
        whole = merged([beside, target]) if isinstance(target, Mapping) else None
        self._budget -= 1
        if whole is None or self._budget < 0 or reference in self._inlined or mentions(target, reference):
            for keyword in sorted(constraints):
                self.leave_out(path, keyword, beside[keyword])
            return {"$ref": reference, **definitions}
        self._inlined.append(reference)
        return self._joined(whole | definitions, path)

    def _resolved(self, part: Any) -> Mapping[str, Any]:
        """Return a part of ``allOf``; if it is a mere reference, what it points to."""
        if isinstance(part, Mapping) and part.keys() - NOTES == {"$ref"}:
            target = pointed_at(part["$ref"], self.root)
            if isinstance(target, Mapping) and not mentions(target, part["$ref"]):
                return target
        return part if isinstance(part, Mapping) else {}

    def leave_out(self, path: str, keyword: str, *value: Any) -> None:
        """Note that something could not be said."""
        self.unsaid.append(" ".join((f"{path}: {keyword}", *map(_shown, value))))


def _names_all(said: Mapping[str, Any]) -> bool:
    """Tell whether an object needs no properties but those that its schema names."""
    return (
        "properties" in said
        and "allOf" not in said
        and set(said.get("required", ())) <= set(said["properties"])
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


def kept(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    """Send the value as it is."""
    return value


def one_schema(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    """Send a schema."""
    if isinstance(value, list):  # ``items`` of earlier drafts
        return [speaker.said(part, f"{path}[{index}]") for index, part in enumerate(value)]
    return speaker.said(value, f"{path}[]")


def _list_of_schemas(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    return [speaker.said(part, path) for part in value]


def all_of(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    """Send schemas of which none is closed: they speak of the same object."""
    return [speaker.said(part, path, part_of_all=True) for part in value]


def first_items(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    """Send the schemas of the first items."""
    return [speaker.said(part, f"{path}[{index}]") for index, part in enumerate(value)]


def _properties(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    return {name: speaker.said(part, f"{path}.{name}") for name, part in value.items() if part is not False}


def _definitions(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    return {name: speaker.said(part, name) for name, part in value.items()}


def others(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    """Send the schema of other properties, or whether there may be any."""
    return value if isinstance(value, bool) else speaker.said(value, f"{path}.*")


SHAPE: dict[str, Rule] = {
    "type": kept,
    "enum": kept,
    "const": kept,
    "required": kept,
    "$ref": kept,
    "properties": _properties,
    "items": one_schema,
    "anyOf": _list_of_schemas,
    "$defs": _definitions,
    "definitions": _definitions,
}
"""What every dialect keeps."""
