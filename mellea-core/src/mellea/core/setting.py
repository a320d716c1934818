"""A context variable that has a value in a block."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Generic, TypeVar

__all__ = ["Setting"]

T = TypeVar("T")


class Setting(Generic[T]):
    """Gives a context variable a value in a block; it costs half of a generator, for what every call enters.

    Args:
        variable: The variable.
        value: Its value.
    """

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(self, *exc: object) -> None:
        self._variable.reset(self._token)
