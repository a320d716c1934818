"""JSON schemas in the words that an engine keeps.

An engine either keeps a keyword, or refuses the schema for it, or drops it without a word. Here a schema is
said in the words that an engine keeps, and what could not be said comes back in a list: it is left out of
what is sent, and has to be checked when the output is there. What fits the schema that is sent is as near
to the whole schema as the engine can be led.

The tables below say for each dialect what becomes of a keyword. A keyword that no table names is left out
and reported, unless it is a note, which no text can break (``title``, ``default``, ...). Each table's
source:

* ``OPENAI_STRICT``: the subset that OpenAI documents for ``strict: true``.
* ``LLAMA_CPP``: the grammar of llama.cpp's server and Ollama's, as measured on an Ollama server of August
  2026.
* ``LLGUIDANCE``: llguidance 1.9, as it compiles or refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from mellea.core.capabilities import SchemaDialect
from mellea.core.schema_end import check_end
from mellea.core.schema_parts import type_of, types_of, with_own_root, without_root_references
from mellea.core.schema_patterns import EMAIL, IPV4, MOST_REPETITIONS, PatternError, is_plain, whole_json_text
from mellea.core.schema_speaker import (
    LEFT_OUT,
    SHAPE,
    Rule,
    Speaker,
    Words,
    all_of,
    first_items,
    kept,
    one_schema,
    others,
)
from mellea.core.strict_schema import obstacle_to_strict

__all__ = ["DialectSchema", "in_dialect"]


@frozen
class DialectSchema:
    """A schema as an engine is sent it.

    Args:
        schema: What to send.
        unsaid: What of the whole schema it does not say, each as ``place: keyword value``; to be checked
            afterwards.
        strict: Whether OpenAI's strict mode accepts it.
    """

    schema: Mapping[str, Any] = field(hash=False)
    unsaid: tuple[str, ...] = ()
    strict: bool = False


_DEEPEST = 200
"""How deeply a schema may be nested; every level is two or three calls on the way through it."""


def in_dialect(schema: Mapping[str, Any], dialect: SchemaDialect) -> DialectSchema:
    """Return a JSON schema in the words of a dialect, with what could not be said.

    Args:
        schema: The whole schema; left as it is.
        dialect: What the engine understands.

    Raises:
        UsageError: The schema is nested too deeply to be read, or no value that ends fits it.
    """
    if dialect is SchemaDialect.PLAIN:
        return DialectSchema(schema)
    check_end(schema)
    is_strict = dialect is SchemaDialect.OPENAI_STRICT
    speaker = Speaker(
        with_own_root(schema) if is_strict else without_root_references(schema), _WORDS[dialect]
    )
    said = speaker.said(speaker.root, "$")
    obstacle = obstacle_to_strict(said) if is_strict else None
    if obstacle is not None:
        return DialectSchema(
            schema, (f"$: the schema as a whole, for strict mode takes none in which {obstacle}",)
        )
    return DialectSchema(said, tuple(speaker.unsaid), strict=is_strict)


# What becomes of a keyword.


def _others_unenforced(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    if not isinstance(value, bool) and value:
        speaker.leave_out(path, "additionalProperties", value)
    return others(speaker, node, value, path)


def _few(keyword: str) -> Rule:
    """Return the rule for a count that the grammar spells out in as many repetitions."""

    def rule(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
        if isinstance(value, int) and value <= MOST_REPETITIONS:
            return value
        speaker.leave_out(path, keyword, value)
        return LEFT_OUT

    return rule


def _of_integers(keyword: str) -> Rule:
    """Return the rule for a bound, which the grammar keeps for whole numbers of 64 bits only."""

    def rule(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
        whole = math.ceil(value) if keyword == "minimum" else math.floor(value)
        types = types_of(node)
        if "integer" in types and "number" not in types and -(2**63) <= whole < 2**63:
            return whole
        speaker.leave_out(path, keyword, value)
        return LEFT_OUT

    return rule


def _format_of(*known: str) -> Rule:
    def rule(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
        if value in known:
            return value
        speaker.leave_out(path, "format", value)
        return LEFT_OUT

    return rule


def _plain_pattern(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    if is_plain(value):
        return value
    speaker.leave_out(path, "pattern", value)
    return LEFT_OUT


def _named_by_patterns(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    if all(map(is_plain, value)):
        return {pattern: speaker.said(part, f"{path}.*") for pattern, part in value.items()}
    speaker.leave_out(path, "patternProperties", value)
    return LEFT_OUT


def _count_of_properties(keyword: str) -> Rule:
    """Return the rule for llguidance, which counts properties only where every named one is required."""

    def rule(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
        if set(node.get("properties", ())) <= set(node.get("required", ())):
            return value
        speaker.leave_out(path, keyword, value)
        return LEFT_OUT

    return rule


def _items_or_none(speaker: Speaker, node: Mapping[str, Any], value: Any, path: str) -> Any:
    return value if isinstance(value, bool) else one_schema(speaker, node, value, path)


# What is said with other keywords.


def _any_of(speaker: Speaker, node: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Say ``oneOf`` as ``anyOf``, which is the same where the choices exclude each other."""
    told = dict(node)
    if "oneOf" in told and "anyOf" not in told:
        if "discriminator" not in told and not _exclude_each_other(told["oneOf"]):
            speaker.leave_out(path, "oneOf (more than one may fit)")
        told["anyOf"] = told.pop("oneOf")
    return told


def _exclude_each_other(choices: list[Any]) -> bool:
    types = [{"number" if name == "integer" else name for name in types_of(choice)} for choice in choices]
    return all(types) and sum(map(len, types)) == len(set().union(*types))


def _for_strict(speaker: Speaker, node: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    told = _any_of(speaker, node, path)
    if "const" in told:
        told["enum"] = [told.pop("const")]
    if "enum" in told and "type" not in told:
        types = list(dict.fromkeys(map(type_of, told["enum"])))
        told["type"] = types[0] if len(types) == 1 else types
    if "properties" in told and set(told.get("required", ())) <= set(told["properties"]):
        told["required"] = list(told["properties"])
    if "patternProperties" in told:
        told["additionalProperties"] = True
    if "prefixItems" in told:  # what follows says nothing of the first items
        told.pop("items", None)
    return told


def _for_llama(speaker: Speaker, node: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    told = _any_of(speaker, node, path)
    if "prefixItems" in told:  # such an array ends with its last named item anyway
        others = told.pop("items", None)
        if others:
            speaker.leave_out(path, "items", others)
    if "patternProperties" in told:
        told.pop("additionalProperties", None)
    for exclusive, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        if "integer" in types_of(told) and bound not in told and type(told.get(exclusive)) in (int, float):
            value = told.pop(exclusive)
            told[bound] = (math.floor(value) if step == 1 else math.ceil(value)) + step
    _string_for_llama(speaker, told, path)
    return told


def _string_for_llama(speaker: Speaker, told: dict[str, Any], path: str) -> None:
    """Say a pattern, a format or a length: of these the grammar keeps the first that it knows."""
    pattern = told.pop("pattern", None)
    if pattern is not None:
        try:
            pattern = whole_json_text(pattern)
        except PatternError:
            speaker.leave_out(path, "pattern", pattern)
            pattern = None
    format = told.pop("format", None)
    if pattern is None and format in _LLAMA_FORMATS:
        pattern = _LLAMA_FORMATS[format]
        told |= {"format": format} if pattern is None else {}
    elif format is not None:
        speaker.leave_out(path, "format", format)
    if pattern is not None:
        told["pattern"] = pattern
    for length in ("minLength", "maxLength"):
        if length in told and told.keys() & {"pattern", "format"}:
            speaker.leave_out(path, length, told.pop(length))


_LLAMA_FORMATS = {**dict.fromkeys(("date", "date-time", "time", "uuid", "uri")), "email": EMAIL, "ipv4": IPV4}
"""The formats that the grammar knows, and patterns for some that it does not."""


_WORDS = {
    SchemaDialect.OPENAI_STRICT: Words(
        prepared=_for_strict,
        tells_notes=True,
        rules={
            **SHAPE,
            "additionalProperties": others,
            "pattern": _plain_pattern,
            "format": _format_of(
                "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"
            ),
            **dict.fromkeys(
                ("multipleOf", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"), kept
            ),
            **dict.fromkeys(("minItems", "maxItems"), kept),
        },
    ),
    SchemaDialect.LLAMA_CPP: Words(
        prepared=_for_llama,
        rules={
            **SHAPE,
            "allOf": all_of,
            "prefixItems": first_items,
            "additionalProperties": _others_unenforced,
            "pattern": kept,  # as _string_for_llama says it
            "format": kept,
            "minimum": _of_integers("minimum"),
            "maximum": _of_integers("maximum"),
            "minItems": _few("minItems"),
            "maxItems": _few("maxItems"),
            "minLength": _few("minLength"),
            "maxLength": _few("maxLength"),
        },
    ),
    SchemaDialect.LLGUIDANCE: Words(
        prepared=_any_of,
        rules={
            **SHAPE,
            "allOf": all_of,
            "prefixItems": first_items,
            "additionalProperties": others,
            "items": _items_or_none,
            "patternProperties": _named_by_patterns,
            "minProperties": _count_of_properties("minProperties"),
            "maxProperties": _count_of_properties("maxProperties"),
            "pattern": _plain_pattern,
            "format": _format_of(
                "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"
            ),
            **dict.fromkeys(
                ("multipleOf", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"), kept
            ),
            **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "x-quote-of"), kept),
        },
    ),
}
