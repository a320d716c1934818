"""What the arguments of commands are read as."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["above_zero", "finite", "key_and_value", "not_negative", "port", "positive"]


def positive(text: str) -> int:
    """Return a whole number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def above_zero(text: str) -> float:
    """Return a number above zero."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return number


def finite(text: str) -> float:
    """Return a number that is neither infinite nor none."""
    number = float(text)
    if not abs(number) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number that can be used")
    return number


def not_negative(text: str) -> int:
    """Return a whole number of 0 or more."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def port(text: str) -> int:
    """Return the number of a port; 0 stands for a free one."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{number} is no port: ports are 0 to 65535")
    return number


for _type in (above_zero, finite, not_negative, port, positive):
    _type.__name__ = "number"  # argparse names the type in "invalid number value: 'x'"


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
