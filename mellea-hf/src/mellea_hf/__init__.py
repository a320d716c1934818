"""Mellea backend for local weights, in this process. Importing it loads neither torch nor transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mellea_hf.backend import LocalHFBackend

__all__ = ["LocalHFBackend"]


def __getattr__(name: str) -> Any:
    if name == "LocalHFBackend":
        from mellea_hf.backend import LocalHFBackend  # noqa: PLC0415  loads with the first use

        return LocalHFBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
