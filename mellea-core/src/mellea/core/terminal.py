"""What text may do to a terminal, and what a terminal can show."""

from __future__ import annotations

import os
import re
import sys
from typing import Protocol

__all__ = ["Writable", "has_colours", "in_signs_of", "is_terminal", "print_to", "terminal_width", "visible"]

_STEERING = r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_STEERING_IN_LINES = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"

_IN_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "├": "|", "└": "`", "─": "-", "│": "|", "←": "<-", "…": "...", "·": "-"}  # noqa: RUF001
)


class Writable(Protocol):
    """Anything that text can be written to."""

    def write(self, text: str, /) -> object:
        """Write the text."""


def visible(text: str, *, lines: bool = False) -> str:
    r"""Return a text that cannot steer a terminal: control signs are written out, as in ``\x1b``.

    Args:
        text: Any text, such as a model's.
        lines: Whether line ends and tabs stay as they are.
    """
    pattern = _STEERING_IN_LINES if lines else _STEERING
    text = text.replace("\r\n", "\n") if lines else text
    return re.sub(pattern, lambda sign: repr(sign[0])[1:-1], text)


def in_signs_of(file: object, text: str) -> str:
    """Return a text in signs that a file can show: the marks and lines of a tree have others in ASCII."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def print_to(file: Writable | None, text: str) -> None:
    """Print a text, in signs that the file can show.

    Args:
        file: Where to; None for the standard output.
        text: The text.
    """
    target = sys.stdout if file is None else file
    target.write(f"{in_signs_of(target, text)}\n")


def is_terminal(file: object) -> bool:
    """Tell whether a person reads what is written to a file."""
    isatty = getattr(file, "isatty", None)
    try:
        return callable(isatty) and bool(isatty())
    except ValueError:  # it is closed
        return False


def has_colours(file: object) -> bool:
    """Tell whether a file shows colours: a terminal, unless ``NO_COLOR`` is set or ``TERM`` says ``dumb``."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not is_terminal(file):
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ


def terminal_width(file: object, otherwise: int) -> int:
    """Return the columns of the terminal behind a file, at least 40.

    Args:
        file: What is written to.
        otherwise: The columns where it is no terminal.
    """
    if not is_terminal(file):
        return otherwise
    import shutil  # noqa: PLC0415  it brings all compressions

    return max(shutil.get_terminal_size((otherwise, 24)).columns, 40)
