"""Mellea backends for local weights, in this process. Importing it loads neither torch nor transformers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mellea_hf.backend import LocalHFBackend
    from mellea_hf.embedding import LocalHFEmbedder
    from mellea_hf.stats import EngineStats

__all__ = ["EngineStats", "LocalHFBackend", "LocalHFEmbedder", "TransformersTorchConfig"]

_MODULES = {
    "EngineStats": "mellea_hf.stats",
    "LocalHFBackend": "mellea_hf.backend",
    "LocalHFEmbedder": "mellea_hf.embedding",
}
"""What loads with the first use."""


class TransformersTorchConfig(NamedTuple):
    """What a program has loaded itself, for ``LocalHFBackend(custom_config=...)``."""

    tokenizer: Any
    model: Any
    device: Any


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
