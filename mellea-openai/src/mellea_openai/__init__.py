"""Mellea backend for OpenAI and every OpenAI-compatible server."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mellea_openai.backend import OpenAIBackend

__all__ = ["OpenAIBackend"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from mellea_openai import backend  # noqa: PLC0415  the SDK takes half a second to import

        return getattr(backend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
