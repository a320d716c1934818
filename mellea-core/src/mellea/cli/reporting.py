"""How commands print what they found."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Finding", "print_finding"]


class Finding(Protocol):
    """What a command has found."""

    def to_json(self) -> str:
        """Return it as JSON."""

    def show(self) -> None:
        """Print it for people."""


def print_finding(found: Finding, *, as_json: bool) -> None:
    """Print what was found on the standard output."""
    if as_json:
        print(found.to_json())
    else:
        found.show()
