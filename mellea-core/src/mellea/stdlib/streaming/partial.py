"""Structured output while it is still being written: JSON values and typed objects that grow."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, cast, get_args, get_origin

from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.streaming._iteration import SyncOrAsyncIterable

__all__ = ["GrowingValue", "partial_instance", "partial_objects"]

T = TypeVar("T")

_NOTHING: Any = object()
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def partial_objects(thunk: ModelOutputThunk[T], format: Any = None) -> SyncOrAsyncIterable[T]:
    """Return the structured output of a thunk as it grows, for ``async for`` or ``for``.

    With a pydantic class as format each value is an instance of it in which the fields that have come are
    set, as far as they are valid by themselves, and the others are None or have their default
    (``model_fields_set`` tells them apart). Otherwise it is what the JSON so far describes. A value is given
    when it differs from the one before; the last one is complete and validated. A number is given once
    something follows it. Leaving early does not stop the generation.

    Args:
        thunk: The output, on its way or computed; ask for it with ``ModelOption.STREAM``.
        format: A pydantic class or JSON schema; by default the one that the output was asked for with.

    Raises:
        OutputParseError: The complete text does not fit the format.
        ProviderError: The provider failed.
        UsageError: The format is no schema.
    """
    schema = thunk.schema if format is None else OutputSchema.of(format)

    async def growing() -> AsyncGenerator[T, None]:
        value: GrowingValue[T] = GrowingValue(schema)
        text = ""
        async for piece in thunk:
            text += piece
            for changed in value.changed(text):
                yield changed
        for changed in value.complete(text):
            yield changed

    return SyncOrAsyncIterable(growing)


class GrowingValue(Generic[T]):
    """What a JSON text describes while it grows.

    Args:
        format: A schema, a pydantic class or JSON schema; None for any JSON.
    """

    def __init__(self, format: Any = None) -> None:
        self._schema = None if format is None else OutputSchema.of(format)
        self._json = self._value = _NOTHING

    def changed(self, text: str) -> list[T]:
        """Return the value that the text so far describes if it differs from the last one, else nothing."""
        value = _json_so_far(text)
        if value is _NOTHING or value == self._json:
            return []
        self._json = value
        model = None if self._schema is None else self._schema.model
        return self._new(value if model is None else partial_instance(model, value))

    def complete(self, text: str) -> list[T]:
        """Return the validated value of the complete text if it differs from the last one, else nothing.

        Raises:
            OutputParseError: The text does not fit the format.
        """
        return self._new((self._schema or OutputSchema("JSON value", {})).parse(text))

    def _new(self, value: Any) -> list[T]:
        if value is _NOTHING or (type(value) is type(self._value) and value == self._value):
            return []
        self._value = value
        return [cast("T", value)]


def _json_so_far(text: str) -> Any:
    from pydantic_core import from_json  # noqa: PLC0415  only structured output needs it

    if text[-1:].isdigit() and '"' not in _STRING.sub("", text):
        text = text.rstrip("0123456789")  # the number may go on
    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return _NOTHING


def partial_instance(model: Any, value: Any) -> Any:
    """Return an instance of a pydantic class with the fields that have come and are valid by themselves.

    The class's own validators see only the complete object.
    """
    if getattr(model, "__pydantic_root_model__", False):
        root = _so_far(model, "root", value)
        return _NOTHING if root is _NOTHING else model.model_construct(root=root)
    if not isinstance(value, Mapping):
        return _NOTHING
    come: dict[str, Any] = {}
    missing: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        key = next(
            (
                key
                for key in (info.validation_alias, info.alias, name)
                if isinstance(key, str) and key in value
            ),
            None,
        )
        found = _NOTHING if key is None else _so_far(model, name, value[key])
        if found is not _NOTHING:
            come[name] = found
        elif info.is_required():
            missing[name] = None
    return model.model_construct(_fields_set=set(come), **come, **missing)


def _so_far(model: Any, name: str, value: Any) -> Any:
    info = model.model_fields[name]
    grown = _grown(info.annotation, value)
    return _validated(_field_adapter(model, name), value) if grown is _NOTHING else grown


def _grown(annotation: Any, value: Any) -> Any:
    """Return what there is so far of something that is made of parts.

    Nothing where only the whole can be valid.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _grown(arguments[0], value)
    if origin in {Union, UnionType}:
        candidates = [argument for argument in arguments if argument is not type(None)]
        return _grown(candidates[0], value) if len(candidates) == 1 else _NOTHING
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return partial_instance(annotation, value)
    if origin in {list, Sequence} and isinstance(value, list):
        entries = [_entry(arguments[0], entry) for entry in value]
        return [entry for entry in entries if entry is not _NOTHING]
    if origin in {dict, Mapping} and isinstance(value, Mapping) and arguments[0] is str:
        named = {key: _entry(arguments[1], entry) for key, entry in value.items()}
        return {key: entry for key, entry in named.items() if entry is not _NOTHING}
    return _NOTHING


def _entry(annotation: Any, value: Any) -> Any:
    grown = _grown(annotation, value)
    return _validated(_adapter(annotation), value) if grown is _NOTHING else grown


def _validated(adapter: Any, value: Any) -> Any:
    try:
        return adapter.validate_python(value, strict=False)
    except ValueError:
        return _NOTHING


@functools.lru_cache(maxsize=1024)
def _field_adapter(model: Any, name: str) -> Any:
    info = model.model_fields[name]
    return _adapter(Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)


@functools.lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415  only structured output needs it

    return TypeAdapter(annotation)
