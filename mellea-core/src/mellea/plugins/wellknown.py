"""The backends that are published with the core, so that a missing one is named with its remedy."""

from __future__ import annotations

from mellea.core.errors import BackendNotInstalledError

__all__ = ["WELL_KNOWN", "not_installed"]

WELL_KNOWN = {"ollama": "ollama", "openai": "openai", "hf": "hf", "huggingface": "hf", "litellm": "litellm"}
"""Extra of ``mellea-core`` for each well-known backend name."""


def not_installed(name: str) -> BackendNotInstalledError:
    """Return the error for a well-known backend that is not installed."""
    return BackendNotInstalledError(
        f"Backend {name!r} is not installed.",
        hint=f'Install it with: pip install "mellea-core[{WELL_KNOWN[name]}]"',
        backend=name,
    )
