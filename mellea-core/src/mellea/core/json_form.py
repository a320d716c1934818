"""The form of JSON: what a text holds that is one JSON value, of a schema or of any."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve, field, frozen

from mellea.core.errors import OutputParseError
from mellea.core.schema import OutputSchema
from mellea.core.schema_check import check_schema
from mellea.core.steering.forms import Form

__all__ = ["Json"]

_OBJECT_OR_LIST = {"anyOf": [{"type": "object"}, {"type": "array"}]}


def _schema(given: Any) -> OutputSchema | None:
    return None if given is None else OutputSchema.of(given)


@frozen
class Json(Form):
    """One JSON value and nothing else, which fits a schema where one is given.

    Backends that keep schemas hold the text to it, and to no other form beside it; without a schema they hold
    it to an object or a list.

    Args:
        schema: A pydantic class, or a JSON schema; None for any JSON.

    Raises:
        UsageError: It is no schema.
    """

    schema: OutputSchema | None = field(default=None, converter=_schema)

    def __attrs_post_init__(self) -> None:
        if self.schema is not None and self.schema.model is None:
            check_schema(self.schema.json_schema)

    def describe(self) -> str:
        """Return the form in words."""
        if self.schema is None:
            return "Answer with one JSON value and nothing else."
        schema = json.dumps(dict(self.schema.json_schema), ensure_ascii=False)
        return f"Answer with JSON that fits this schema: {schema}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the text is JSON that fits."""
        try:
            json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            return False, f"it is no JSON: {error}"
        if self.schema is None:
            return True, "it is JSON"
        try:
            self.schema.parse(text)
        except OutputParseError as error:
            return False, error.message
        return True, "it fits"

    @property
    def held(self) -> OutputSchema:
        """The schema that a backend holds the text to, which stays text."""
        wanted = self.schema or OutputSchema("json", _OBJECT_OR_LIST)
        return evolve(wanted, model=None, parser=str)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
