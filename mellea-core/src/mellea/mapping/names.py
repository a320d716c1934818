"""What names a row, and what names a version of a program: by these a journal knows what is done.

A row is named by the program's name, by what is in it, and by how many rows like it came before: so rows may
be added, moved and taken out, and each of two that are alike has answers of its own.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mellea.core.model_api import ModelAPI
from mellea.core.request_key import canonical

__all__ = ["RowNames", "program_version", "row_seed"]

_COUNT = "INSERT INTO seen VALUES (?, 0) ON CONFLICT (name) DO UPDATE SET times = times + 1 RETURNING times"
_SIZE = 16
_IN_MEMORY = 65_536
"""How many rows are remembered in memory, which takes some 10 MB."""
_DEEPEST = 12
"""How far it is looked into the values that a program has around it."""


class RowNames:
    """Names rows one after the other. What it remembers of many is in a file that vanishes with it.

    Args:
        program: The name of the program.
    """

    def __init__(self, program: str) -> None:
        self._program = program.encode()
        self._seen: dict[bytes, int] = {}
        self._more: sqlite3.Connection | None = None

    def name(self, row: Any) -> bytes:
        """Return the name of a row of JSON values."""
        told = hashlib.blake2b(canonical(row).encode(), digest_size=_SIZE).digest()
        times = self._seen.get(told, -1) + 1
        if times or len(self._seen) < _IN_MEMORY:
            self._seen[told] = times
        else:
            times = self._times_in_file(told)
        return hashlib.blake2b(b"%b\0%b%d" % (self._program, told, times), digest_size=_SIZE).digest()

    def _times_in_file(self, told: bytes) -> int:
        if self._more is None:
            self._more = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._more.execute("CREATE TABLE seen (name BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
            self._more.execute("BEGIN")
        return int(self._more.execute(_COUNT, (told,)).fetchone()[0])

    def close(self) -> None:
        """Forget them."""
        if self._more is not None:
            self._more.close()


def row_seed(seed: int, row: bytes, trial: int) -> int:
    """Return the seed of a row: its own, and the same each time.

    Args:
        seed: The seed of all.
        row: The row's name.
        trial: Which trial it is, from 0.
    """
    drawn = hashlib.blake2b(b"%d %b %d" % (seed, row, trial), digest_size=8).digest()
    return int.from_bytes(drawn, "big") & 0x7FFFFFFF


def program_version(function: Callable[..., Any], about: Mapping[str, Any]) -> bytes:
    """Return what names a version of a program: a digest of its source and of what else shapes its results.

    The source is that of its file and of the files beside it from which that takes names. What a request
    depends on besides is in the request's own key.

    Args:
        function: The program.
        about: What else counts, as JSON values.
    """
    digest = hashlib.blake2b(canonical(about).encode(), digest_size=_SIZE)
    for part in _parts(function):
        digest.update(b"\0")
        digest.update(part)
    return digest.digest()


def _parts(function: Callable[..., Any]) -> Iterator[bytes]:
    while isinstance(function, functools.partial):
        yield _told((function.args, function.keywords)).encode()
        function = function.func
    inner = inspect.unwrap(function)
    inner = getattr(inner, "__func__", inner)
    yield str(getattr(inner, "__qualname__", type(inner).__qualname__)).encode()
    for cell in getattr(inner, "__closure__", None) or ():
        yield _told(_contents(cell)).encode()
    yield _told((getattr(inner, "__defaults__", None), getattr(inner, "__kwdefaults__", None))).encode()
    module = sys.modules.get(getattr(inner, "__module__", None) or "")
    file = _file_of(module)
    if module is not None and file is not None:
        for each in sorted(_beside(module, file.parent, set())):
            yield each.read_bytes()
    elif code := getattr(inner, "__code__", None):
        yield _told_code(code).encode()


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is filled later
        return None


def _told(value: Any, above: tuple[int, ...] = ()) -> str:
    """Return a value in words that are the same in each process, with all that shapes it.

    Args:
        value: What a program has around it, such as a requirement, and its check, and what that has.
        above: The ids of what it is within.
    """
    if id(value) in above or len(above) > _DEEPEST:
        return type(value).__qualname__
    above = (*above, id(value))
    if isinstance(value, FunctionType):
        around = [_contents(cell) for cell in value.__closure__ or ()]
        parts = [value.__qualname__, _told_code(value.__code__), value.__defaults__, around]
        return ", ".join(_told(part, above) for part in parts)
    if isinstance(value, ModelAPI):
        return f"{value.provider} {value.model_id}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_told(each, above) for each in value)}]"
    if held := _held(value):
        told = [f"{name}={_told(each, above)}" for name, each in sorted(held.items())]
        return f"{type(value).__qualname__}({', '.join(told)})"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _held(value: Any) -> dict[str, Any]:
    """Return what an object holds that is neither a class nor a module."""
    if isinstance(value, type | ModuleType):
        return {}
    slots = [getattr(kind, "__slots__", ()) for kind in type(value).__mro__]
    names = [name for each in slots for name in ([each] if isinstance(each, str) else each)]
    held = {name: getattr(value, name, None) for name in names} | getattr(value, "__dict__", {})
    return {name: each for name, each in held.items() if not name.startswith("__")}


def _told_code(code: CodeType) -> str:
    """Return the code of a function that has no file, such as one that was typed in."""
    inner = [
        _told_code(one)
        if isinstance(one, CodeType)
        else repr(sorted(map(repr, one)) if isinstance(one, frozenset) else one)
        for one in code.co_consts
    ]
    return f"{code.co_code!r}{code.co_names!r}{inner!r}"


def _file_of(module: ModuleType | None) -> Path | None:
    named = getattr(module, "__file__", None)
    path = Path(named).resolve() if named else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _beside(module: ModuleType, folder: Path, known: set[Path]) -> set[Path]:
    """Return the file of a module, and those beside it or below that it takes names from."""
    file = _file_of(module)
    if file is None or file in known or not file.is_relative_to(folder) or not _is_own(module, file):
        return known
    known.add(file)
    for value in list(vars(module).values()):
        home = value if isinstance(value, ModuleType) else sys.modules.get(_home(value))
        if home is not None:
            _beside(home, folder, known)
    return known


def _is_own(module: ModuleType, file: Path) -> bool:
    """Tell whether a module is the program's, and no library's: those have releases."""
    return module.__name__.partition(".")[0] != "mellea" and "site-packages" not in file.parts


def _home(value: Any) -> str:
    named = getattr(value, "__module__", None)
    return named if isinstance(named, str) else ""
