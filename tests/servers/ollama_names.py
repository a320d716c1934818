"""How Ollama names models."""

from __future__ import annotations

__all__ = ["full_name"]


def full_name(name: str) -> str:
    """Return a model's name with its tag, as Ollama lists it: ``latest`` by default, whatever the case."""
    short = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"
