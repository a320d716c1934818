"""Imports that happen only when something is used."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["import_without_gc", "lazy_names", "names_of_old"]


def lazy_names(module: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a module whose names live in other modules.

    Args:
        module: The module's own name.
        names: Where each public name lives: ``package.module``, or ``package.module:`` for the module itself.
    """
    old = names_of_old(module)

    def get(name: str) -> Any:
        if name not in names:
            return old(name)
        home, whole, _ = names[name].partition(":")
        target = import_without_gc(home)
        value = target if whole else getattr(target, name)
        setattr(importlib.import_module(module), name, value)
        return value

    return get, lambda: sorted(names)


def names_of_old(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module that programs of the 0.8 line import more from than is here."""

    def get(name: str) -> Any:
        if not name.startswith("_"):
            from mellea._compat import refuse_absent  # noqa: PLC0415  only for a name that is not here

            refuse_absent(module, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return get


class _Absent:
    """The last finder of modules: says of one of the 0.8 line what to do instead."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Find nothing, and say so for a module that programs of the 0.8 line import."""
        if name.startswith("mellea."):
            from mellea._compat import refuse_absent  # noqa: PLC0415  only for a module that is not here

            refuse_absent(name)


sys.meta_path.append(_Absent)


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
