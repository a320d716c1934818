"""Programs named on a command line: ``program.py:function``, or ``package.module:function``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mellea.core._error_words import words_of
from mellea.core.errors import MelleaError, UsageError

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
        UsageError: There is no such file, module or function; it is no function; or its file cannot be run.
    """
    place, separator, function = name.rpartition(":")
    if not separator:
        place, function = name, ""
    module = load_module(place)
    if not function and len(only := _functions(module)) == 1:
        (function,) = only
    found = getattr(module, function, None) if function else None
    if not callable(found):
        known = _functions(module)
        what = f"no function {function!r}" if function else f"{'more than one' if known else 'no'} function"
        hint = f"Name one as {place}:FUNCTION; its functions are: {', '.join(known)}."
        raise UsageError(f"{place} has {what}.", hint=hint if known else "Define one in it.")
    made: Callable[..., Any] = found
    return made


def load_module(place: str) -> ModuleType:
    """Return the module of a program; its file is run once.

    Args:
        place: ``program.py`` or ``package.module``.

    Raises:
        UsageError: There is no such file or module, or it cannot be run.
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
        with _loading(str(path), str(file)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _of_name(name: str) -> ModuleType:
    unknown = UsageError(f"There is no module {name!r}.", hint="Name a program as program.py:function.")
    if not all(part.isidentifier() for part in name.split(".")):
        raise unknown
    with _loading(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise unknown from error


@contextmanager
def _loading(name: str, file: str | None = None) -> Iterator[None]:
    """Say of what a program raises while it is loaded where that was.

    Args:
        name: What the program is called.
        file: Its file, in which the place is looked for.
    """
    try:
        yield
    except MelleaError:
        raise
    except (Exception, SystemExit) as error:
        known = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f" (line {known[-1].lineno})" if known else ""  # a SyntaxError says it itself
        raise UsageError(
            f"{name} cannot be run: {type(error).__name__}: {words_of(error)}{where}.",
            hint="Mend it; MELLEA_DEBUG=1 shows where it comes from.",
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
