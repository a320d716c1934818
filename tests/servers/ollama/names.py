"""How Ollama names models."""

from __future__ import annotations

import re

__all__ = ["full_name", "is_name", "long_name"]

_NAME = re.compile(r"(?:[\w.-]+(?::\d+)?/)?(?:[\w.-]+/)?[\w][\w.-]*(?::[\w][\w.-]*)?", re.ASCII)


def is_name(name: str) -> bool:
    """Tell whether a model can have this name."""
    return _NAME.fullmatch(name) is not None


def full_name(name: str) -> str:
    """Return a model's name with its tag, as Ollama lists it.

    ``latest`` when none is given, and case does not count.
    """
    short = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def long_name(name: str) -> str:
    """Return a model's name with nothing left out, as some of Ollama's refusals have it."""
    return f"registry.ollama.ai/library/{full_name(name)}"
