"""Arguments of a call, held against a JSON schema: for tools that bring a schema and no function of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mellea.core.errors import ToolArgumentsError
from mellea.core.schema_check import misfit
from mellea.core.schema_parts import pointed_at, types_of

__all__ = ["check_by_schema", "coerce", "misfit_error"]

_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUTH = {"true": True, "false": False}
_DEEPEST = 64


def check_by_schema(name: str, schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with texts read as the numbers, truth values, lists or objects that the schema wants.

    Args:
        name: The tool's name, for the error.
        schema: The JSON schema of the arguments.
        given: What a model gave.

    Raises:
        ToolArgumentsError: They do not fit.
    """
    read: dict[str, Any] = coerce(dict(given), schema, schema)
    wrong = misfit(read, schema)
    if wrong is not None:
        raise misfit_error(name, wrong.replace("$.", "", 1).replace("$: ", "", 1))
    return read


def misfit_error(name: str, wrong: str) -> ToolArgumentsError:
    """Return the error for arguments that do not fit, in words that a model can follow."""
    return ToolArgumentsError(
        f"The arguments of {name} do not fit: {wrong.rstrip('.')}.",
        hint=f"Correct them and call {name} again.",
    )


def coerce(value: Any, schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a JSON value with what is meant as another type read as that type, at any depth.

    Args:
        value: The value.
        schema: The JSON schema of the value.
        root: The schema that references in it lead into.
        depth: How deep the value lies.
    """
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return value
    if isinstance(schema.get("$ref"), str):
        return coerce(value, pointed_at(schema["$ref"], root), root, depth + 1)
    for several in ("anyOf", "oneOf"):
        branches = schema.get(several)
        if isinstance(branches, list):
            return _coerce_to_branch(value, branches, root, depth)
    types = types_of(schema)
    if isinstance(value, str) and types and "string" not in types:
        value = _read(value, types)
    if isinstance(value, dict):
        parts = schema.get("properties")
        known = parts if isinstance(parts, Mapping) else {}
        rest = schema.get("additionalProperties")
        return {key: coerce(part, known.get(key, rest), root, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [coerce(part, schema.get("items"), root, depth + 1) for part in value]
    return value


def _coerce_to_branch(value: Any, branches: list[Any], root: Mapping[str, Any], depth: int) -> Any:
    """Return the value as the first branch that it fits takes it: as it is if it can be, else read anew."""
    whole = [{"$defs": root.get("$defs", {}), "allOf": [branch]} for branch in branches]
    if any(misfit(value, one) is None for one in whole):
        return value
    for branch, one in zip(branches, whole, strict=True):
        tried = coerce(value, branch, root, depth + 1)
        if misfit(tried, one) is None:
            return tried
    return value


def _read(text: str, types: frozenset[str]) -> Any:
    said = text.strip()
    if "integer" in types and _WHOLE.fullmatch(said):
        return int(said)
    if "number" in types and _NUMBER.fullmatch(said):
        return float(said)
    if "boolean" in types and said.lower() in _TRUTH:
        return _TRUTH[said.lower()]
    if "null" in types and said.lower() in ("null", "none"):
        return None
    if types & {"object", "array"} and said[:1] in ("{", "["):
        try:
            return json.loads(said)
        except (ValueError, RecursionError):
            return text
    return text
