"""Imports that happen only when something is used."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["import_without_gc", "lazy_names"]


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
        target = import_without_gc(home)
        value = target if whole else getattr(target, name)
        setattr(importlib.import_module(module), name, value)
        return value

    return get, lambda: sorted(names)


def import_without_gc(name: str) -> ModuleType:
    """Import a module that brings many others, with the garbage collector paused.

    What an import makes stays. Looking through it again and again meanwhile takes a good part of the time
    that a provider's library needs to load.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if collecting:
            gc.enable()
