"""What the arguments of commands are read as."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["above_zero", "key_and_value", "positive"]


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


above_zero.__name__ = "number"
positive.__name__ = "number"  # argparse names the type in "invalid number value: 'x'"


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
