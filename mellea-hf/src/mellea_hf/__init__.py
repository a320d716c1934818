"""Mellea backend for local weights, in this process. Importing it loads neither torch nor transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mellea_hf.backend import LocalHFBackend
    from mellea_hf.embedding import LocalHFEmbedder

__all__ = ["LocalHFBackend", "LocalHFEmbedder", "TransformersTorchConfig"]


class TransformersTorchConfig(NamedTuple):
    """What a program has loaded itself, for ``LocalHFBackend(custom_config=...)``."""

    tokenizer: Any
    model: Any
    device: Any


def __getattr__(name: str) -> Any:
    if name == "LocalHFBackend":
        from mellea_hf.backend import LocalHFBackend  # noqa: PLC0415  loads with the first use

        return LocalHFBackend
    if name == "LocalHFEmbedder":
        from mellea_hf.embedding import LocalHFEmbedder  # noqa: PLC0415  the same

        return LocalHFEmbedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
