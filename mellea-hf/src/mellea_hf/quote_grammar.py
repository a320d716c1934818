"""Schemas with quotes as grammars: what is quoted is a passage of its document.

llguidance holds a text to the passages of another one by an automaton of all of them; in its grammars alone,
not in JSON schemas. So what leads to a quote is written as a grammar, and everything else stays a schema in
it. Passages begin and end between words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from mellea.core.quote import QUOTE_OF, quoted_texts
from mellea.core.schema_parts import pointed_at

__all__ = ["passages", "quote_grammar", "without_quotes"]

_PIECE = re.compile(r"\w+|\s|[^\w\s]")
_WORD = re.compile(r"\w+")
_DEFINITIONS = ("$defs", "definitions")
_SOUND = r"/(\\\"|[(\[“«])?[\p{L}\p{N}_](?s:.*)/"
"""A passage begins with a word, or with a sign that opens one."""


def passages(node: Mapping[str, Any]) -> list[str]:
    """Return the single words of the documents that a schema's quotes are from, without repeats."""
    words = (word for text in quoted_texts(node.get(QUOTE_OF)) for word in _WORD.findall(text))
    return list(dict.fromkeys(words))


def without_quotes(node: Any) -> Any:
    """Return a schema in which quotes are plain texts."""
    if isinstance(node, Mapping):
        return {key: without_quotes(value) for key, value in node.items() if key != QUOTE_OF}
    return [without_quotes(item) for item in node] if isinstance(node, list) else node


def quote_grammar(schema: Mapping[str, Any]) -> str | None:
    """Return the grammar of a schema that has quotes; None where it has none, or they cannot be said."""
    writer = _Writer(schema)
    if not writer.has_quotes(schema):
        return None
    try:
        start = writer.rule(schema)
    except _UnsaidError:
        return None
    return "\n".join([f"start: {start}", *writer.lines])


class _UnsaidError(Exception):
    """Something between the root and a quote has no place in a grammar here."""


@define(eq=False)
class _Writer:
    """Writes the rules of one schema.

    Args:
        root: The whole schema.
    """

    root: Mapping[str, Any]
    lines: list[str] = field(factory=list, init=False)
    _names: dict[str, str] = field(factory=dict, init=False)

    def has_quotes(self, node: Any, seen: frozenset[str] = frozenset()) -> bool:
        """Tell whether a quote of a document that is known is in a schema, or in what it refers to."""
        if isinstance(node, list):
            return any(self.has_quotes(item, seen) for item in node)
        if not isinstance(node, Mapping):
            return False
        if quoted_texts(node.get(QUOTE_OF)):
            return True
        reference = node.get("$ref")
        parts = [value for key, value in node.items() if key not in _DEFINITIONS]
        if isinstance(reference, str) and reference not in seen:
            seen |= {reference}
            parts.append(pointed_at(reference, self.root))
        return any(self.has_quotes(part, seen) for part in parts)

    def rule(self, node: Any) -> str:
        """Return the name of a rule for a schema."""
        key = json.dumps(node, sort_keys=True)
        if key not in self._names:
            name = self._names[key] = f"part{len(self._names)}"
            self.lines.append(f"{name}: {self._said(node)}")
        return self._names[key]

    def _said(self, node: Any) -> str:
        if not self.has_quotes(node):
            inline = without_quotes(node) if isinstance(node, Mapping) else {}
            definitions = {key: without_quotes(self.root[key]) for key in _DEFINITIONS if key in self.root}
            options = {"x-guidance": {"whitespace_flexible": False}}
            return f"%json {json.dumps({**definitions, **inline, **options})}"
        if quoted_texts(node.get(QUOTE_OF)):
            return self._quote(quoted_texts(node[QUOTE_OF]))
        if isinstance(node.get("$ref"), str):
            return self.rule(pointed_at(node["$ref"], self.root))
        for keyword in ("anyOf", "oneOf"):
            if node.get(keyword):
                return " | ".join(map(self.rule, node[keyword]))
        if len(node.get("allOf", ())) == 1:
            return self.rule(node["allOf"][0])
        if isinstance(node.get("properties"), Mapping):
            return self._object(node["properties"], set(node.get("required", ())))
        if isinstance(node.get("items"), Mapping) and "prefixItems" not in node:
            return self._array(self.rule(node["items"]), node.get("minItems", 0), node.get("maxItems"))
        raise _UnsaidError

    def _quote(self, texts: Sequence[str]) -> str:
        name = f"PASSAGE{len(self.lines)}"
        known: list[str] = []
        for index, text in enumerate(texts):
            pieces = [json.dumps(piece, ensure_ascii=False)[1:-1] for piece in _PIECE.findall(text)]
            known.append(f"{name}X{index}")
            self.lines.append(f"{known[-1]}: %regex {json.dumps({'substring_chunks': pieces})}")
        sound = f" & {_SOUND}" if any(map(_WORD.search, texts)) else ""
        self.lines.append(f"{name}: ({' | '.join(known)}){sound}")
        return rf'"\"" {name} "\""'

    def _object(self, properties: Mapping[str, Any], required: set[str]) -> str:
        """Return an object with its properties in order, each with a comma before it unless it is first."""
        fields = [
            (_literal(f"{json.dumps(name, ensure_ascii=False)}:"), self.rule(part), name in required)
            for name, part in properties.items()
        ]
        first, later = '""', '""'
        for key, part, is_required in reversed(fields):
            own_later = self._named(f'"," {key} {part} {later}', "" if is_required else later)
            own_first = self._named(f"{key} {part} {later}", "" if is_required else first)
            first, later = own_first, own_later
        return f'"{{" {first} "}}"'

    def _named(self, *choices: str) -> str:
        name = f"fields{len(self.lines)}"
        self.lines.append(f"{name}: {' | '.join(filter(None, choices))}")
        return name

    def _array(self, item: str, least: int, most: int | None) -> str:
        if most == 0:
            return '"[]"'
        more = f'("," {item}){{{max(0, least - 1)},{"" if most is None else most - 1}}}'
        return f'"[" {item} {more} "]"' + ("" if least else ' | "[]"')


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
