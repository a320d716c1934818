"""Forwarding from ``mellea.backends.<name>`` to the distribution that carries the backend."""

from __future__ import annotations

import importlib
from typing import Any

from mellea.plugins.wellknown import not_installed

__all__ = ["forward"]


def forward(name: str, package: str, attribute: str) -> Any:
    """Return an attribute of a backend's package.

    Raises:
        BackendNotInstalledError: (also an ImportError) The distribution is not installed.
        AttributeError: The package has no such attribute.
    """
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise not_installed(name) from error
    return getattr(module, attribute)
