"""Forwards to ``mellea_openai``, which ``pip install "mellea-core[openai]"`` brings."""

from typing import Any

from mellea.backends._forward import forward


def __getattr__(attribute: str) -> Any:
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return forward("openai", "mellea_openai", attribute)
