"""What the arguments of commands are read as."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["above_zero", "finite", "key_and_value", "not_negative", "port", "positive"]


N = TypeVar("N", int, float)


def _which(read: Callable[[str], N], holds: Callable[[N], bool], otherwise: str) -> Callable[[str], N]:
    """Return what reads a number that has to be of some kind.

    Args:
        read: Reads any number.
        holds: Whether it is of that kind.
        otherwise: What to say of one that is not, which stands for ``{}``.
    """

    def number(text: str) -> N:  # argparse names it in "invalid number value: 'x'"
        value = read(text)
        if not holds(value):
            raise argparse.ArgumentTypeError(otherwise.format(text))
        return value

    return number


positive = _which(int, lambda number: number >= 1, "{} is less than 1")
not_negative = _which(int, lambda number: number >= 0, "{} is less than 0")
above_zero = _which(float, lambda number: 0 < number < math.inf, "{} is no positive number")
finite = _which(float, math.isfinite, "{} is no number that can be used")
port = _which(int, lambda number: 0 <= number <= 65_535, "{} is no port: ports are 0 to 65535")


def key_and_value(text: str) -> tuple[str, Any]:
    """Return the name of a model option and its value."""
    import json  # noqa: PLC0415  help does without it

    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value
