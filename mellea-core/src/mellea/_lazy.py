"""Public names that are imported only when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(module: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a module whose names live in other modules.

    Args:
        module: The module's own name.
        names: Where each public name lives: ``package.module``, or ``package.module:`` for the module itself.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, whole, _ = names[name].partition(":")
        target = importlib.import_module(home)
        value = target if whole else getattr(target, name)
        setattr(importlib.import_module(module), name, value)
        return value

    return get, lambda: sorted(names)
