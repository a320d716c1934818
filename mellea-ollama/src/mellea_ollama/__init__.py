"""The Mellea backend for Ollama.

Importing this package imports no client; the names load when they are used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mellea_ollama.backend import OllamaModelBackend

__all__ = ["OllamaModelBackend"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mellea_ollama import backend  # noqa: PLC0415  the client loads only with the backend

    return getattr(backend, name)


def __dir__() -> list[str]:
    return sorted(__all__)
