"""Forms of the texts within a structured output: they go into its schema, where the engine keeps patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from mellea.core.backend import Backend
from mellea.core.capabilities import SchemaDialect
from mellea.core.requirement import Requirement
from mellea.core.schema import OutputSchema
from mellea.core.steering import Form, Steering, steer
from mellea.core.steering.casing import LetterCase
from mellea.core.steering.pattern import plain

__all__ = ["FieldForms", "forms_of_fields", "with_patterns"]

_SETTLED = frozenset({"pattern", "enum", "const", "format"})


@frozen
class FieldForms:
    """The forms of one property.

    Args:
        property: Its name in the schema.
        forms: Each form, with the name under which it is reported.
    """

    property: str
    forms: tuple[tuple[str, Form], ...]


def forms_of_fields(schema: OutputSchema, requirements: Iterable[Requirement]) -> list[FieldForms]:
    """Return the forms of a schema's properties: those that its class states, and those of requirements."""
    found: dict[str, list[tuple[str, Form]]] = {}
    for name, field in getattr(schema.model, "model_fields", {}).items():
        shown = field.alias or name
        own = [form for form in field.metadata if isinstance(form, Form)]
        found.setdefault(shown, []).extend((f"{name}: {form.describe()}", form) for form in own)
    for requirement in requirements:
        if requirement.about is not None and requirement.steer:
            named = ((requirement.name, form) for form in requirement.forms)
            found.setdefault(requirement.about, []).extend(named)
    return [FieldForms(name, tuple(forms)) for name, forms in found.items() if forms]


def with_patterns(
    schema: OutputSchema, fields: Iterable[FieldForms], prompt: str, backend: Backend
) -> tuple[OutputSchema, Mapping[str, str]]:
    """Return the schema with a pattern for each property whose forms make one, and what became of each form.

    Raises:
        ContradictionError: No text can meet two forms of a property.
    """
    properties: dict[str, Any] = dict(schema.json_schema.get("properties") or {})
    outcomes: dict[str, str] = {}
    cases: dict[str, LetterCase] = {}
    for field in fields:
        breaks = backend.schema_dialect is SchemaDialect.LLGUIDANCE
        steering = steer([form for _, form in field.forms], prompt, lines=breaks)
        held: Any = properties.get(field.property)
        obstacle = _obstacle(held, steering, backend)
        if not obstacle and steering.pattern is not None:
            properties[field.property] = {**held, "pattern": plain(steering.pattern)}
            if steering.case is not None:
                cases[field.property] = steering.case
        for (name, _), outcome in zip(field.forms, steering.outcomes, strict=True):
            why = obstacle or outcome.why
            if why or name not in outcomes:
                outcomes[name] = f"checked: {why}" if why else "steered"
    if properties == schema.json_schema.get("properties"):
        return schema, outcomes
    held_to = {**schema.json_schema, "properties": properties}
    return evolve(schema, json_schema=held_to, cases=cases), outcomes


def _obstacle(held: Any, steering: Steering, backend: Backend) -> str:
    """Return why a property takes no pattern; nothing if it does."""
    if not isinstance(held, Mapping) or held.get("type") != "string" or not _SETTLED.isdisjoint(held):
        return "the value is no plain text"
    # Only llguidance writes what JSON escapes under the pattern of a schema.
    if backend.schema_dialect is not SchemaDialect.LLGUIDANCE and "\\\\" in (steering.pattern or ""):
        return "the server writes no line breaks or quotation marks within a schema"
    return ""
