"""Forwards to ``mellea_hf``, which ``pip install "mellea-core[hf]"`` brings."""

from typing import Any

from mellea.backends._forward import forward


def __getattr__(attribute: str) -> Any:
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return forward("hf", "mellea_hf", attribute)
