"""A user's function as a typed function needs it.

Parameters, types, and the declaration that the prompt shows.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.errors import UsageError
from mellea.stdlib._annotations import format_head, resolve_annotations, with_docstring
from mellea.stdlib.components._generative.envelope import answer_schema
from mellea.stdlib.components._generative.target import CallError

if TYPE_CHECKING:
    from mellea.core.schema import OutputSchema

__all__ = ["Declaration", "shown_of"]

RESERVED = frozenset(
    {
        "m",
        "context",
        "backend",
        "model_options",
        "strategy",
        "precondition_requirements",
        "requirements",
        "f_args",
        "f_kwargs",
    }
)
"""Names that a typed function's parameters cannot have.

The last two are kept so that functions written for 0.8 stay portable.
"""


class Declaration:
    """The user's function: its parameters at once, its types as soon as all names in them exist."""

    def __init__(self, function: Callable[..., Any], names: Mapping[str, Any]) -> None:
        self.function = function
        self._names = names
        parameters = list(inspect.signature(function).parameters.values())
        self.receiver = (
            parameters.pop(0).name if parameters and parameters[0].name in ("self", "cls") else None
        )
        self.parameters = parameters
        self.signature = inspect.Signature(parameters)
        if taken := sorted(RESERVED & {parameter.name for parameter in parameters}):
            raise UsageError(
                f"{function.__qualname__} has parameters with reserved names: {', '.join(taken)}.",
                hint="Rename them.",
            )

    @functools.cached_property
    def types(self) -> tuple[str, Mapping[str, Any], OutputSchema]:
        """The head for the prompt, the annotations, and the schema of the answer."""
        hints = resolve_annotations(self.function, self._names)
        schema = answer_schema(self.function.__name__, hints.get("return", Any))
        return format_head(self.function, self.parameters, hints), hints, schema

    @property
    def docstring(self) -> str:
        """What the function says of itself; nothing if it says nothing."""
        return inspect.getdoc(self.function) or ""

    @functools.cached_property
    def text(self) -> str:
        """The head with the docstring below it, as the prompt shows them."""
        return with_docstring(self.types[0], self.docstring)

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by parameter, defaults included.

        Raises:
            UsageError: (also a TypeError) They do not fit the signature.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise CallError(
                f"{self.function.__qualname__} cannot be called like this: {error}.",
                hint=f"Its signature is {self.signature}.",
            ) from error
        bound.apply_defaults()
        return dict(bound.arguments)


def shown_of(receiver: Any) -> Any:
    """Return what an object shows of itself as the first argument of its method; None for nothing."""
    cls: Any = type(receiver)
    if isinstance(receiver, type):
        return None
    if hasattr(receiver, "format_for_llm"):
        return receiver
    has_fields = any(
        hasattr(cls, name) for name in ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__")
    )
    return receiver if has_fields else str(receiver) if cls.__str__ is not object.__str__ else None
