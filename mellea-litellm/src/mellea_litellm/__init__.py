"""Mellea backend for every provider that LiteLLM knows. Importing it does not import LiteLLM."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mellea_litellm.backend import LiteLLMBackend

__all__ = ["LiteLLMBackend"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from mellea_litellm import backend  # noqa: PLC0415  loads with the first use

        return getattr(backend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
