"""The smallest value that fits a JSON schema, and the schema that a request asks for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.request import ChatRequest, CompletionRequest

__all__ = ["minimal_instance", "schema_of"]

_REMEDY = "Give the value yourself: filled(field=value), or script the text."
_OF_FORMAT = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "a@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class _EndlessError(UsageError):
    """A schema that requires itself."""


def schema_of(request: ChatRequest | CompletionRequest) -> Mapping[str, Any] | None:
    """Return the JSON schema that a request asks for, also where it is written out in the prompt.

    None without one.
    """
    if request.schema is not None:
        return request.schema.json_schema
    text = request.messages[-1].content if isinstance(request, ChatRequest) and request.messages else ""
    written = text.rpartition("fits this JSON schema, and nothing else:\n")[2]
    try:
        schema = json.loads(written)
    except ValueError:
        return None
    return schema if isinstance(schema, dict) else None


def minimal_instance(schema: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Any:
    """Return the smallest JSON value that fits a schema.

    Args:
        schema: A JSON schema, such as pydantic makes.
        values: Properties of the object that are to have these values.

    Raises:
        UsageError: It allows nothing, requires itself without end, or has a pattern that no simple text
            matches.
    """
    instance = _Maker(schema).make(schema, ())
    if not values:
        return instance
    if not isinstance(instance, dict):
        raise UsageError(
            f"The schema is of {type(instance).__name__}, which has no fields.",
            hint="Use filled() without values.",
        )
    return {**instance, **values}


class _Maker:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def make(self, schema: Any, path: tuple[str, ...], number: int = 0) -> Any:
        """Return an instance.

        Args:
            schema: What it fits.
            path: References followed on the way here.
            number: Which of several distinct instances it is to be.
        """
        if schema is True or schema == {}:
            return number
        if not isinstance(schema, Mapping):
            raise UsageError(f"Nothing fits the schema {schema!r}.", hint=_REMEDY)
        if "$ref" in schema:
            return self._resolve(schema, path, number)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][min(number, len(schema["enum"]) - 1)]
        if "allOf" in schema:
            return self.make(self._merge(schema), path, number)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                rest = {name: value for name, value in schema.items() if name != key}
                return self._first([{**rest, **branch} for branch in schema[key]], path, number)
        return self._of_type(schema, path, number)

    def _resolve(self, schema: Mapping[str, Any], path: tuple[str, ...], number: int) -> Any:
        reference = schema["$ref"]
        if path.count(reference) > 1:
            raise _EndlessError(f"The schema requires {reference} inside itself without end.", hint=_REMEDY)
        return self.make(self._target(reference), (*path, reference), number)

    def _target(self, reference: str) -> Any:
        target: Any = self._root
        try:
            for part in reference.removeprefix("#").split("/")[1:]:
                target = target[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"The schema refers to {reference}, which is not in it.", hint=_REMEDY
            ) from error
        return target

    def _merge(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            resolved = self._target(part["$ref"]) if "$ref" in part else part
            merged["properties"] = {**merged.get("properties", {}), **resolved.get("properties", {})}
            merged["required"] = [*merged.get("required", []), *resolved.get("required", [])]
            merged.update(
                {key: value for key, value in resolved.items() if key not in {"properties", "required"}}
            )
        return (
            merged
            if merged["properties"]
            else {key: merged[key] for key in merged if key not in {"properties", "required"}}
        )

    def _first(self, branches: Sequence[Any], path: tuple[str, ...], number: int) -> Any:
        """Return an instance of the first branch that has an end."""
        endless: _EndlessError | None = None
        for branch in branches:
            try:
                return self.make(branch, path, number)
            except _EndlessError as error:
                endless = error
        raise endless or UsageError("Nothing fits a schema with no alternatives.", hint=_REMEDY)

    def _of_type(self, schema: Mapping[str, Any], path: tuple[str, ...], number: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._first([{**schema, "type": each} for each in kind], path, number)
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, path)
        if kind == "array" or (kind is None and ("items" in schema or "prefixItems" in schema)):
            return self._array(schema, path)
        if kind in {"integer", "number"}:
            return _number(schema, number)
        if kind == "boolean":
            return bool(number)
        if kind == "null":
            return None
        return _text(schema, number)

    def _object(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        made = {key: self.make(properties.get(key, True), path) for key in schema.get("required", ())}
        missing = schema.get("minProperties", 0) - len(made)
        return {
            **made,
            **{
                f"key{index}": self.make(schema.get("additionalProperties", True), path)
                for index in range(missing)
            },
        }

    def _array(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = schema.get("minItems", 0)
        kinds = [*first, *[schema.get("items", True)] * (least - len(first))][:least]
        return [self.make(kind, path, index) for index, kind in enumerate(kinds)]


def _number(schema: Mapping[str, Any], number: int) -> float:
    """Return the allowed number nearest to zero, or the one that many steps on."""
    least = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    most = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    whole = schema["type"] == "integer"
    step = schema.get("multipleOf") or (1 if whole or most - least > 2 else (most - least) / 4)
    found = math.ceil(least / step) * step if least > 0 else math.floor(most / step) * step if most < 0 else 0
    if found == schema.get("exclusiveMinimum"):
        found += step
    elif found == schema.get("exclusiveMaximum"):
        found -= step
    found += number * step if found + number * step <= most else -number * step
    if not least <= found <= most:
        raise UsageError(f"No number fits the schema {json.dumps(schema)}.", hint=_REMEDY)
    return int(found) if whole or found == int(found) else found


def _text(schema: Mapping[str, Any], number: int) -> str:
    least = schema.get("minLength", 0)
    pattern = schema.get("pattern")
    if pattern is None:
        known = _OF_FORMAT.get(schema.get("format", ""))
        return known if known is not None else (str(number) if number else "").ljust(least, "a")
    for candidate in (sign * length for length in range(least, least + 41) for sign in "aA01"):
        if re.search(pattern, candidate):
            return candidate
    raise UsageError(f"No simple text matches the pattern {pattern!r}.", hint=_REMEDY)
