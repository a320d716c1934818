"""What programs of the 0.8 line import beside ``generative``: a function and its arguments, in words.

Nothing here is needed by typed functions of today.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypedDict, TypeVar

from pydantic import BaseModel, create_model

from mellea.core.blocks import CBlock
from mellea.stdlib._annotations import format_annotation, resolve_annotations
from mellea.stdlib.components._generative.declaration import Declaration

__all__ = [
    "Argument",
    "ArgumentDict",
    "Arguments",
    "Function",
    "FunctionDict",
    "FunctionResponse",
    "bind_function_arguments",
    "create_response_format",
    "describe_function",
    "get_argument",
]

R = TypeVar("R")


class FunctionResponse(BaseModel, Generic[R]):
    """The answer of a typed function."""

    result: R


class FunctionDict(TypedDict):
    """A function in words."""

    name: str
    signature: str
    docstring: str | None


class ArgumentDict(TypedDict):
    """An argument in words."""

    name: str | None
    annotation: str | None
    value: str | None


class Function:
    """A function, with what it says of itself.

    Args:
        func: The function.
    """

    def __init__(self, func: Callable[..., Any]) -> None:
        self._func = func
        self._function_dict = describe_function(func)


class Argument:
    """An argument of a call.

    Args:
        annotation: Its type.
        name: The parameter's name.
        value: What is given.
    """

    def __init__(
        self, annotation: str | None = None, name: str | None = None, value: str | None = None
    ) -> None:
        self._argument_dict = ArgumentDict(name=name, annotation=annotation, value=value)


class Arguments(CBlock):
    """The arguments of a call as text, one on each line.

    Args:
        arguments: The arguments.
    """

    def __init__(self, arguments: Sequence[Argument]) -> None:
        told = [argument._argument_dict for argument in arguments]  # noqa: SLF001  its own half
        lines = [f"- {one['name']}: {one['value']} (type: {one['annotation']})" for one in told]
        super().__init__("\n".join(lines), {one["name"] or "": one for one in told})


def describe_function(func: Callable[..., Any]) -> FunctionDict:
    """Return what a function says of itself."""
    return FunctionDict(
        name=func.__name__, signature=str(inspect.signature(func)), docstring=inspect.getdoc(func)
    )


def get_argument(func: Callable[..., Any], key: str, val: Any) -> Argument:
    """Return an argument in words; the type of the value where the parameter names none.

    Args:
        func: The function.
        key: The parameter's name.
        val: The value.
    """
    declared = inspect.signature(func).parameters.get(key)
    named = None if declared is None or declared.annotation is declared.empty else declared.annotation
    shown = f'"{val}"' if isinstance(val, str) else str(val)
    return Argument(format_annotation(type(val) if named is None else named), key, shown)


def bind_function_arguments(func: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call by parameter, defaults included.

    Raises:
        UsageError: (also a TypeError) They do not fit the signature.
    """
    return Declaration(func, {}).bound(args, kwargs)


def create_response_format(func: Callable[..., R]) -> type[FunctionResponse[R]]:
    """Return the class of a function's answers: one field, ``result``, of the type that it returns."""
    hints: Mapping[str, Any] = resolve_annotations(func, {})
    title = "".join(part[:1].upper() + part[1:] for part in func.__name__.split("_"))
    base: Any = FunctionResponse[hints.get("return", Any)]  # type: ignore[misc]  # known when it is called
    response: type[FunctionResponse[R]] = create_model(f"{title}Response", __base__=base)
    return response
