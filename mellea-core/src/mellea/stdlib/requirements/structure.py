"""Requirements on structure: JSON, JSON schemas, markdown lists and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mellea.core.context import Context
from mellea.core.errors import OutputParseError
from mellea.core.json_text import json_in
from mellea.core.requirement import Requirement
from mellea.core.schema import OutputSchema
from mellea.core.schema_check import check_schema
from mellea.stdlib.requirements.requirement import explained, simple_validate

__all__ = ["as_markdown_list", "fits_schema", "is_json", "is_markdown_list", "is_markdown_table"]

_ITEM = re.compile(r"\s*+(?:[-*+]|\d++[.)])\s++(\S.*)")
_RULE = re.compile(r":?-++:?")


def is_json(*, check_only: bool = False) -> Requirement:
    """Return the requirement that the output is one JSON value.

    Its own fix takes the JSON out of a code block, or from between words.
    """
    return Requirement(
        "Answer with one JSON value and nothing else.",
        simple_validate(explained(_parses)),
        check_only=check_only,
        repair=_json_alone,
    )


def fits_schema(schema: type[Any] | Mapping[str, Any], *, check_only: bool = False) -> Requirement:
    """Return the requirement that the output is JSON that fits a pydantic class or a JSON schema.

    Raises:
        UsageError: It is no schema.
    """
    wanted = OutputSchema.of(schema)
    if wanted.model is None:
        check_schema(wanted.json_schema)

    def fits(text: str) -> tuple[bool, str]:
        is_json, reason = _parses(text)
        if not is_json:
            return False, reason
        try:
            wanted.parse(text)
        except OutputParseError as error:
            return False, error.message
        return True, "it fits"

    described = (
        f"Answer with JSON that fits this schema: {json.dumps(dict(wanted.json_schema), ensure_ascii=False)}"
    )
    return Requirement(described, simple_validate(explained(fits)), check_only=check_only, repair=_json_alone)


def _parses(text: str) -> tuple[bool, str]:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return False, f"it is no JSON: {error}"
    return True, "it is JSON"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _json_alone(text: str) -> str:
    """Return the one JSON value in a text, or the text."""
    try:
        return json_in(text)
    except OutputParseError:
        return text


def _items(text: str) -> list[str] | None:
    """Return the items of a markdown list, or None if the text is something else."""
    items: list[list[str]] = []
    for line in text.splitlines():
        found = _ITEM.fullmatch(line)
        if found:
            items.append([found.group(1).strip()])
        elif items and line.startswith((" ", "\t")):
            items[-1].append(line.strip())
        elif line.strip():
            return None
    return [" ".join(filter(None, parts)) for parts in items] or None


def as_markdown_list(ctx: Context) -> list[str] | None:
    """Return the items of the last output, or None if it is no markdown list."""
    return _items(str(ctx.last_output()))


def _is_table(text: str) -> tuple[bool, str]:
    lines = text.strip().splitlines()
    if len(lines) < 2 or not all("|" in line for line in lines[:1] + lines[2:]) or not _is_rule(lines[1]):
        return False, "it is no markdown table with a head and a rule below it"
    width = lines[0].strip().strip("|").count("|")
    uneven = [number for number, line in enumerate(lines, 1) if line.strip().strip("|").count("|") != width]
    return (
        not uneven,
        f"line {uneven[0]} has another number of cells than the head" if uneven else "it is a table",
    )


def _is_rule(line: str) -> bool:
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return all(_RULE.fullmatch(cell.strip()) for cell in cells)


is_markdown_list = Requirement(
    "Format the answer as a markdown list and nothing else.",
    simple_validate(lambda text: _items(text) is not None, reason="it is no markdown list"),
)
"""The requirement that the output is a markdown list."""

is_markdown_table = Requirement(
    "Format the answer as a markdown table and nothing else.", simple_validate(explained(_is_table))
)
"""The requirement that the output is a markdown table."""
