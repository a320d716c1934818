"""Forwards to ``mellea_litellm``, which ``pip install "mellea-core[litellm]"`` brings."""

from typing import Any

from mellea.backends._forward import forward


def __getattr__(attribute: str) -> Any:
    if attribute.startswith("__"):
        raise AttributeError(attribute)
    return forward("litellm", "mellea_litellm", attribute)
