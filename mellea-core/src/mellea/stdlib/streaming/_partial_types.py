"""Typed values of JSON that is not complete: what has come of a pydantic class, and is valid by itself."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from attrs import frozen

__all__ = [
    "NOTHING",
    "Plan",
    "constructed",
    "field_keys",
    "first_key",
    "partial_entry",
    "partial_field",
    "partial_instance",
    "plan_of",
]

NOTHING: Any = object()
"""What stands for a value of which nothing has come that can be shown."""


def partial_instance(model: Any, value: Any) -> Any:
    """Return an instance of a pydantic class with the fields that have come and are valid by themselves.

    The class's own validators see only the complete object.
    """
    if getattr(model, "__pydantic_root_model__", False):
        root = partial_field(model, "root", value)
        return NOTHING if root is NOTHING else model.model_construct(root=root)
    if not isinstance(value, Mapping):
        return NOTHING
    come = {
        name: partial_field(model, name, value[key])
        for name, keys in field_keys(model).items()
        if (key := first_key(keys, value)) is not None
    }
    return constructed(model, come)


def constructed(model: Any, come: Mapping[str, Any]) -> Any:
    """Return an instance with these fields; what is ``NOTHING`` or missing is None or its default."""
    there = {name: value for name, value in come.items() if value is not NOTHING}
    missing = {
        name: None for name, info in model.model_fields.items() if info.is_required() and name not in there
    }
    return model.model_construct(_fields_set=set(there), **there, **missing)


@functools.lru_cache(maxsize=1024)
def field_keys(model: Any) -> Mapping[str, tuple[str, ...]]:
    """Return the keys under which JSON may hold each field, the first of which counts."""
    return {
        name: tuple(key for key in (info.validation_alias, info.alias, name) if isinstance(key, str))
        for name, info in model.model_fields.items()
    }


def first_key(keys: tuple[str, ...], value: Mapping[str, Any]) -> str | None:
    """Return the first key that a JSON object has."""
    return next((key for key in keys if key in value), None)


@frozen
class Plan:
    """What an open JSON container becomes.

    Args:
        kind: What is made of it.
        of: The class, or the type of the entries.
        wraps: Root models around it, the outermost first.
    """

    kind: Literal["model", "list", "dict"]
    of: Any
    wraps: tuple[Any, ...] = ()

    def finished(self, value: Any) -> Any:
        """Return the value within its root models."""
        for wrap in reversed(self.wraps):
            value = wrap.model_construct(root=value)
        return value


@functools.lru_cache(maxsize=1024)
def plan_of(annotation: Any) -> Plan | None:
    """Return what an open container of this type becomes; None where only the whole can be valid."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plan_of(arguments[0])
    if origin in {Union, UnionType}:
        candidates = [argument for argument in arguments if argument is not type(None)]
        return plan_of(candidates[0]) if len(candidates) == 1 else None
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        if not getattr(annotation, "__pydantic_root_model__", False):
            return Plan("model", annotation)
        inner = plan_of(annotation.model_fields["root"].annotation)
        return None if inner is None else Plan(inner.kind, inner.of, (annotation, *inner.wraps))
    if origin in {list, Sequence}:
        return Plan("list", arguments[0])
    if origin in {dict, Mapping} and arguments[0] is str:
        return Plan("dict", arguments[1])
    return None


def partial_field(model: Any, name: str, value: Any, grown: Any = NOTHING) -> Any:
    """Return what a field is so far.

    Args:
        model: The class.
        name: The field.
        value: Its JSON so far.
        grown: What was made of the JSON already, if anything was.
    """
    if grown is not NOTHING:
        return grown
    info = model.model_fields[name]
    grown = _grown(info.annotation, value)
    return _validated(_field_adapter(model, name), value) if grown is NOTHING else grown


def _grown(annotation: Any, value: Any) -> Any:
    """Return what there is so far of something that is made of parts.

    Nothing where only the whole can be valid.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _grown(arguments[0], value)
    if origin in {Union, UnionType}:
        candidates = [argument for argument in arguments if argument is not type(None)]
        return _grown(candidates[0], value) if len(candidates) == 1 else NOTHING
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return partial_instance(annotation, value)
    if origin in {list, Sequence} and isinstance(value, list):
        entries = [partial_entry(arguments[0], entry) for entry in value]
        return [entry for entry in entries if entry is not NOTHING]
    if origin in {dict, Mapping} and isinstance(value, Mapping) and arguments[0] is str:
        named = {key: partial_entry(arguments[1], entry) for key, entry in value.items()}
        return {key: entry for key, entry in named.items() if entry is not NOTHING}
    return NOTHING


def partial_entry(annotation: Any, value: Any, grown: Any = NOTHING) -> Any:
    """Return what an entry of a list or mapping is so far. See ``partial_field``."""
    if grown is not NOTHING:
        return grown
    grown = _grown(annotation, value)
    return _validated(_adapter(annotation), value) if grown is NOTHING else grown


def _validated(adapter: Any, value: Any) -> Any:
    try:
        return adapter.validate_python(value, strict=False)
    except ValueError:
        return NOTHING


@functools.lru_cache(maxsize=1024)
def _field_adapter(model: Any, name: str) -> Any:
    info = model.model_fields[name]
    return _adapter(Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)


@functools.lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415  only structured output needs it

    return TypeAdapter(annotation)
