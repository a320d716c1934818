"""Structured output while it is still being written: JSON values and typed objects that grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, TypeVar, cast

from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.streaming._growing_json import GrowingJson
from mellea.stdlib.streaming._iteration import SyncOrAsyncIterable
from mellea.stdlib.streaming._partial_types import NOTHING, partial_instance

__all__ = ["GrowingValue", "partial_instance", "partial_objects"]

T = TypeVar("T")

_LONG = 100_000
"""Characters that take so long to read that the event loop should not wait for it."""


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
            for update in await _beside(len(piece), value.update, text):
                yield update
        for update in await _beside(len(text), value.complete, text):
            yield update

    return SyncOrAsyncIterable(growing)


class GrowingValue(Generic[T]):
    """What a JSON text describes while it grows.

    Args:
        format: A schema, a pydantic class or JSON schema; None for any JSON.
    """

    def __init__(self, format: Any = None) -> None:
        self._schema = None if format is None else OutputSchema.of(format)
        self._json = self._value = NOTHING
        self._reader: GrowingJson | None = None

    def update(self, text: str) -> list[T]:
        """Return the value that the text so far describes if it differs from the last one, else nothing.

        Args:
            text: The whole text so far. Each one goes on with the one before; another one begins anew.
        """
        model = None if self._schema is None else self._schema.model
        if self._reader is None or not self._reader.goes_on(text):
            self._reader = GrowingJson(model)
        if not self._reader.feed(text):
            return []
        value, typed = self._reader.value(text)
        if value is NOTHING or value == self._json:
            return []
        self._json = value
        if model is not None and typed is NOTHING:
            typed = partial_instance(model, value)
        return self._new(value if model is None else typed)

    def complete(self, text: str) -> list[T]:
        """Return the validated value of the complete text if it differs from the last one, else nothing.

        Raises:
            OutputParseError: The text does not fit the format.
        """
        return self._new((self._schema or OutputSchema("JSON value", {})).parse(text))

    def _new(self, value: Any) -> list[T]:
        if value is NOTHING or (type(value) is type(self._value) and value == self._value):
            return []
        self._value = value
        return [cast("T", value)]


async def _beside(length: int, read: Callable[[str], list[T]], text: str) -> list[T]:
    """Read a text; much of it in a thread, so that other work goes on."""
    return await asyncio.to_thread(read, text) if length > _LONG else read(text)
