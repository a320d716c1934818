"""Forwards to ``mellea_ollama``, which ``pip install "mellea-core[ollama]"`` brings."""

from typing import Any

from mellea.backends._forward import forward


def __getattr__(attribute: str) -> Any:
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return forward("ollama", "mellea_ollama", attribute)
