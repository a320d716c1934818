"""The least text of each part of a JSON schema, as far as it is seen without trying.

They are proposals: whoever uses one has it accepted by what holds the output first. So a part that is read
wrongly costs time, never the guarantee.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mellea.core.schema_parts import merged, pointed_at, types_of
from mellea_hf.quote_grammar import passages
from mellea_hf.remainder import Remainder

__all__ = ["least_match", "least_texts"]

_ROUNDS = 12
"""How often the parts are gone through: as deep as a least value nests references."""
_MOST = 400
"""Parts that are looked at."""

_FORMATS: Mapping[str, str] = {
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "date-time": "2000-01-01T00:00:00Z",
    "duration": "P1D",
    "email": "a@a.aa",
    "hostname": "a",
    "ipv4": "1.1.1.1",
    "ipv6": "::",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "uri": "a:a",
}
_PLAIN: Mapping[str, str] = {"null": "null", "boolean": "true", "integer": "0", "number": "0"}


def least_texts(schema: Mapping[str, Any]) -> list[str]:
    """Return a short text for the whole schema, then one for each part of it that has one, without repeats.

    Args:
        schema: A JSON schema.
    """
    parts = list(_parts(schema))[:_MOST]
    reader = _Reader(schema)
    for _ in range(_ROUNDS):
        before = len(reader.known), sum(map(len, reader.known.values()))
        for part in reversed(parts):
            reader.learn(part)
        if before == (len(reader.known), sum(map(len, reader.known.values()))):
            break
    texts = [reader.known.get(id(part)) for part in parts]
    return list(dict.fromkeys(text for text in texts if text is not None))


def least_match(expression: str) -> str | None:
    """Return a short text that a regular expression matches as a whole, or None where it cannot be read."""
    whole = Remainder.of(expression)
    return None if whole is None else whole.least


def _parts(node: Any) -> Iterator[Mapping[str, Any]]:
    """Iterate over a schema and the schemas in it."""
    if isinstance(node, Mapping):
        yield node
        for keyword, value in node.items():
            if keyword in ("const", "enum", "default", "examples"):
                continue
            for part in value.values() if keyword in ("properties", "$defs", "definitions") else (value,):
                yield from _parts(part)
    elif isinstance(node, list):
        for part in node:
            yield from _parts(part)


class _Reader:
    """Knows the least texts found so far, by the identity of their part.

    Args:
        root: The whole schema.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.known: dict[int, str] = {}

    def learn(self, part: Mapping[str, Any]) -> None:
        """Look for the least text of a part, by what is known of others."""
        text = self._least(part)
        known = self.known.get(id(part))
        if text is not None and (known is None or len(text) < len(known)):
            self.known[id(part)] = text

    def _of(self, part: Any) -> str | None:
        return self.known.get(id(part)) if isinstance(part, Mapping) and part else "0"

    def _least(self, node: Mapping[str, Any]) -> str | None:
        if words := passages(node):
            return _json(min(words, key=len))
        if "const" in node:
            return _json(node["const"])
        if node.get("enum"):
            return min(map(_json, node["enum"]), key=len)
        if isinstance(node.get("$ref"), str):
            return self._of(pointed_at(node["$ref"], self._root))
        for keyword in ("anyOf", "oneOf"):
            if node.get(keyword):
                return _shortest(map(self._of, node[keyword]))
        if node.get("allOf"):
            whole = merged([{key: value for key, value in node.items() if key != "allOf"}, *node["allOf"]])
            return None if whole is None or "allOf" in whole else self._least(whole)
        types = types_of(node) or ({"object"} if "properties" in node else {"integer"})
        return _shortest(self._typed(node, kind) for kind in sorted(types))

    def _typed(self, node: Mapping[str, Any], kind: str) -> str | None:
        if kind == "object":
            return self._object(node)
        if kind == "array":
            return self._array(node)
        if kind == "string":
            return _string(node)
        return _number(node) if kind in ("integer", "number") else _PLAIN.get(kind)

    def _object(self, node: Mapping[str, Any]) -> str | None:
        properties, required = node.get("properties", {}), list(node.get("required", ()))
        names = [name for name in properties if name in required]
        names += [name for name in required if name not in properties]
        spare = [name for name in properties if name not in required]
        names += spare[: max(0, node.get("minProperties", 0) - len(names))]
        fields = []
        for name in names:
            value = self._of(properties.get(name, {}))
            if value is None:
                return None
            fields.append(f"{_json(name)}:{value}")
        return f"{{{','.join(fields)}}}"

    def _array(self, node: Mapping[str, Any]) -> str | None:
        least = node.get("minItems", 0)
        first: Sequence[Any] = node.get("prefixItems", ())
        items = [self._of(part) for part in first[:least]]
        items += [self._of(node.get("items", {}))] * (least - len(items))
        known = [item for item in items if item is not None]
        return f"[{','.join(known)}]" if len(known) == len(items) else None


def _shortest(texts: Any) -> str | None:
    return min((text for text in texts if text is not None), key=len, default=None)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _string(node: Mapping[str, Any]) -> str | None:
    if isinstance(node.get("pattern"), str):
        matched = least_match(node["pattern"])
        return None if matched is None else _json(matched)
    if node.get("format") in _FORMATS:
        return _json(_FORMATS[node["format"]])
    return _json("a" * node.get("minLength", 0))


def _number(node: Mapping[str, Any]) -> str:
    least, most = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    least = above + 1 if isinstance(above, int | float) and not isinstance(above, bool) else least
    most = below - 1 if isinstance(below, int | float) and not isinstance(below, bool) else most
    if least is not None and least > 0:
        return str(int(-(-least // 1)))
    return str(int(most // 1)) if most is not None and most < 0 else "0"
