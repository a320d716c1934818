"""Requirements on structure: JSON, JSON schemas, markdown lists and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mellea.core.context import Context
from mellea.core.errors import OutputParseError
from mellea.core.json_form import Json
from mellea.core.json_text import json_in
from mellea.core.requirement import Requirement
from mellea.core.steering.forms import MarkdownList, Table
from mellea.core.steering.forms.markdown import items_of
from mellea.stdlib.requirements.requirement import explained, simple_validate

__all__ = ["as_markdown_list", "fits_schema", "is_json", "is_markdown_list", "is_markdown_table"]


def is_json(*, check_only: bool = False) -> Requirement:
    """Return the requirement that the output is one JSON value.

    It steers where the backend keeps schemas, to an object or a list. Its own fix takes the JSON out of a
    code block, or from between words.
    """
    return _json(Json(), check_only=check_only)


def fits_schema(schema: type[Any] | Mapping[str, Any], *, check_only: bool = False) -> Requirement:
    """Return the requirement that the output is JSON that fits a pydantic class or a JSON schema.

    It steers where the backend keeps schemas; the output stays text.

    Raises:
        UsageError: It is no schema.
    """
    return _json(Json(schema), check_only=check_only)


def _json(form: Json, *, check_only: bool) -> Requirement:
    return Requirement(
        form.describe(),
        simple_validate(explained(form.check)),
        check_only=check_only,
        repair=_json_alone,
        form=form,
    )


def _json_alone(text: str) -> str:
    """Return the one JSON value in a text, or the text."""
    try:
        return json_in(text)
    except OutputParseError:
        return text


def as_markdown_list(ctx: Context) -> list[str] | None:
    """Return the items of the last output, or None if it is no markdown list."""
    return items_of(str(ctx.last_output()))


def _formatted(form: MarkdownList | Table) -> Requirement:
    return Requirement(form.describe(), simple_validate(explained(form.check)), form=form)


is_markdown_list = _formatted(MarkdownList())
"""The requirement that the output is a markdown list."""

is_markdown_table = _formatted(Table(at_least=0))
"""The requirement that the output is a markdown table."""
