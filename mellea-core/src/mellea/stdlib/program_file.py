"""Programs named on a command line: ``program.py:function``, or ``package.module:function``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from mellea.core.errors import UsageError

__all__ = ["is_program_name", "load_module", "load_program"]


def is_program_name(text: str) -> bool:
    """Tell whether a text names a program in a file, rather than anything else."""
    return ".py:" in text or text.endswith(".py")


def load_program(name: str) -> Callable[..., Any]:
    """Return the function that a text names; its file is run, as a module.

    Modules beside the file can be imported from it, as when it is run. Functions of one file come from one
    module.

    Args:
        name: ``program.py:function`` or ``package.module:function``; ``program.py`` alone where one function
            is defined in it.

    Raises:
        UsageError: There is no such file, module or function; or it is no function.
    """
    place, separator, function = name.rpartition(":")
    if not separator:
        place, function = name, ""
    module = load_module(place)
    if not function and len(only := _functions(module)) == 1:
        (function,) = only
    found = getattr(module, function, None) if function else None
    if not callable(found):
        known = ", ".join(_functions(module)) or "none"
        what = f"no function {function!r}" if function else "more than one thing in it"
        raise UsageError(
            f"{place} has {what}.", hint=f"Name one as {place}:FUNCTION; its functions are: {known}."
        )
    made: Callable[..., Any] = found
    return made


def load_module(place: str) -> ModuleType:
    """Return the module of a program; its file is run once.

    Args:
        place: ``program.py`` or ``package.module``.

    Raises:
        UsageError: There is no such file or module.
    """
    return _of_file(Path(place)) if place.endswith(".py") else _of_name(place)


def _of_file(path: Path) -> ModuleType:
    file = path.resolve()
    if not file.is_file():
        raise UsageError(f"There is no file {path}.", hint="Name a program as program.py:function.")
    # No module that the program imports has this name, whatever the file is called.
    name = f"{file.stem}_{zlib.crc32(str(file).encode()):08x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file.", hint="Name a program as program.py:function.")
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _of_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"There is no module {name!r}.", hint="Name a program as program.py:function."
        ) from error


def _functions(module: ModuleType) -> list[str]:
    """Return the names of what a module defines and one can call."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and not inspect.isclass(value)
        and getattr(value, "__module__", None) == module.__name__
    )
