"""An action that an adapter answers, and reading what it says."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from mellea.core.adapter import Adapter
from mellea.core.component import Component, Span, TemplateRepresentation, blockify
from mellea.core.errors import AdapterSchemaMismatchError

__all__ = ["AdapterBasedComponent", "Intrinsic", "likelihood_in", "unwrapped"]


class Intrinsic(Component[Any]):
    """What an adapter is asked: its prompt, filled with arguments, below the conversation.

    The answer is held to the adapter's schema, at temperature 0 unless the call says otherwise, and
    ``parsed`` of the output is what it says: JSON values, or text where the adapter has no schema.

    Args:
        intrinsic_name: The adapter; ``-`` and ``_`` are the same in its name.
        intrinsic_kwargs: The variables of its prompt: texts, blocks, components, thunks, or lists of them.
        adapter_types: Kept for programs that pass it: an adapter is what it is.
    """

    def __init__(
        self,
        intrinsic_name: str,
        intrinsic_kwargs: Mapping[str, Any] | None = None,
        adapter_types: Sequence[Any] | None = None,
    ) -> None:
        self.intrinsic_name = intrinsic_name
        self.intrinsic_kwargs = dict(intrinsic_kwargs or {})
        self.adapter_types = adapter_types
        self.adapter = Adapter(intrinsic_name)

    @property
    def adapter_name(self) -> str:
        """The adapter that answers."""
        return self.intrinsic_name

    def asked_of(self, adapter: Adapter) -> Self:
        """Return the same as an adapter is asked it."""
        twin = copy.copy(self)
        twin.adapter = adapter
        return twin

    def parts(self) -> list[Span]:
        """Return the blocks, components and thunks among the arguments."""
        return list(_spans(self.intrinsic_kwargs.values()))

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the adapter's prompt with the arguments."""
        template, variables = self.adapter.template_for(self.intrinsic_kwargs)
        return TemplateRepresentation(self, variables, template=template)

    def _parse(self, computed: Any) -> Any:
        text = str(computed)
        try:
            return json.loads(text)
        except ValueError:
            return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.intrinsic_name!r}, {self.intrinsic_kwargs!r})"


AdapterBasedComponent = Intrinsic
"""Another name of ``Intrinsic``."""


def _spans(values: Any) -> Iterator[Span]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _spans(value)
        elif isinstance(value, Mapping):
            yield from _spans(value.values())
        elif not isinstance(value, str | int | float | None):
            yield blockify(value)


def likelihood_in(name: str, value: Any) -> float:
    """Return the number from 0 to 1 in an answer; 1 and 0 for true and false.

    Raises:
        AdapterSchemaMismatchError: There is none.
    """
    found = unwrapped(value)
    if isinstance(found, int | float) and math.isfinite(found) and 0 <= found <= 1:
        return float(found)
    observed = list(map(str, found)) if isinstance(found, Mapping) else [repr(found)[:80]]
    raise AdapterSchemaMismatchError(name, observed, ["a number from 0 to 1"])


def unwrapped(value: Any) -> Any:
    """Return a value out of objects that hold one value each."""
    while isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    return value
