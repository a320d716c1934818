"""A pydantic class for a JSON schema, which programs of 0.8 get as ``format``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from mellea.core.schema import OutputSchema
from mellea.core.schema_check import misfit

__all__ = ["class_of"]

_PLAIN = {"string": str, "boolean": bool}
_DEEPEST = 32


class _OfSchema(BaseModel):
    """Reads what fits a JSON schema; objects within are read as such classes, too."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())


def class_of(schema: OutputSchema) -> type[BaseModel]:
    """Return a class whose instances are what fits a schema of an object.

    Its JSON schema is the one that is given, and an instance has an attribute for each property. A value is
    held against the schema before it becomes one. What is recursive in it stays a mapping.

    Args:
        schema: The schema.
    """
    given = dict(schema.json_schema)

    class Checked(_OfSchema):
        @model_validator(mode="before")
        @classmethod
        def _fits(cls, value: Any) -> Any:
            wrong = misfit(value, given) if isinstance(value, Mapping) else None
            if wrong is not None:
                raise ValueError(wrong)
            return value

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return given

    made: type[BaseModel] = create_model(schema.name, __base__=Checked, **_fields(given, given, ()))
    return made


def _fields(part: Mapping[str, Any], root: Mapping[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    required = part.get("required") or ()
    fields: dict[str, Any] = {}
    for number, (name, property_) in enumerate(_properties(part).items()):
        kind = _type(property_, root, (*above, name), f"{part.get('title') or 'Part'}{number}")
        default: Any = ... if name in required else None
        own = (
            name if name.isidentifier() and not name.startswith("_") and not hasattr(BaseModel, name) else ""
        )
        fields[own or f"field_{number}"] = (
            kind if name in required else kind | None,
            Field(default, alias=None if own else name),
        )
    return fields


def _properties(part: Mapping[str, Any]) -> Mapping[str, Any]:
    found = part.get("properties")
    return found if isinstance(found, Mapping) else {}


def _type(part: Any, root: Mapping[str, Any], above: tuple[str, ...], name: str) -> Any:
    """Return the type of a part: classes for objects, lists of them, texts; anything for the rest."""
    if not isinstance(part, Mapping) or len(above) > _DEEPEST:
        return Any
    if isinstance(pointer := part.get("$ref"), str):
        if pointer in above or not pointer.startswith("#/"):
            return Any
        return _type(_pointed_at(pointer, root), root, (*above, pointer), name)
    if part.get("type") == "array":
        return list[_type(part.get("items"), root, above, name)]  # type: ignore[misc]  # made at run time
    if part.get("type") == "object" and _properties(part):
        title = str(part.get("title") or name)
        return create_model(title, __base__=_OfSchema, **_fields(part, root, above))
    return _PLAIN.get(str(part.get("type")), Any)


def _pointed_at(pointer: str, root: Any) -> Any:
    for step in pointer[2:].split("/"):
        root = root.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(root, Mapping) else None
    return root
