"""What code that a model wrote may do, clause by clause, as a value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any

from attrs import field, frozen

from mellea.core.errors import UsageError

__all__ = ["CLAUSES", "Policy"]

CLAUSES = {
    "read": "it reads files outside",
    "write": "it writes files outside",
    "network": "it reaches the network",
    "subprocesses": "it starts other programs",
    "memory": "it takes more memory",
    "seconds": "it runs longer",
    "processes": "it starts more processes and threads",
    "environment": "it sees other environment variables",
    "output": "it prints more",
    "disk": "it fills its folder further",
    "parent": "it reaches the process that started it",
}
"""What each clause forbids. ``parent`` has no field: a sandbox always forbids it."""


def _bound(least: float, *, whole: bool = True) -> Any:
    kind = "a whole number" if whole else "a number"

    def check(_: object, attribute: Any, value: object) -> None:
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not fits or not least <= value < math.inf:  # type: ignore[operator]
            raise UsageError(
                f"A policy's {attribute.name} is {kind} of at least {least}, not {value!r}.",
                hint=f"Pass one, as in Policy({attribute.name}={max(int(least), 1)}).",
            )

    return check


def _paths(value: object) -> tuple[str, ...]:
    if isinstance(value, str | PathLike) or not isinstance(value, Iterable):
        raise UsageError(
            f"A policy's folders are a list, not {value!r}.", hint="Write several, or one, in brackets."
        )
    paths = tuple(fspath(path) if isinstance(path, PathLike) else path for path in value)
    for path in paths:
        if not isinstance(path, str) or not PurePath(path).is_absolute() or "\0" in path:
            raise UsageError(
                f"A policy's folder is an absolute path, not {path!r}.", hint="Pass Path(...).resolve()."
            )
    return paths


def _variables(value: Any) -> tuple[tuple[str, str], ...]:
    pairs = tuple(sorted(value.items() if isinstance(value, Mapping) else value))
    for name, text in pairs:
        if not isinstance(name, str) or not isinstance(text, str):
            raise UsageError(f"An environment variable is text, not {name!r}: {text!r}.")
        if not name or "=" in name or "\0" in name + text:
            raise UsageError(f"There can be no environment variable {name!r}.")
    return pairs


@frozen
class Policy:
    """What code may do in a sandbox; what is not written here is forbidden.

    The defaults compute, and print: no files but a folder of the run's own, no network, no other programs.

    Args:
        read: Files and folders that it may read, beside its own folder and what the interpreter needs.
        write: Files and folders that it may write, and read, beside its own folder.
        network: Whether it may use sockets.
        subprocesses: Whether it may start other programs; none outlives the run.
        memory: Bytes of memory that each of its processes may take.
        seconds: The longest run.
        processes: Processes and threads at a time; 1 is the program's own thread alone. By default 1, and 32
            with subprocesses.
        environment: Environment variables that it sees, beside a few such as ``PATH``; a mapping, or pairs.
        output: Bytes that are kept of what it prints, and of what it says on the error stream.
        disk: Bytes that its own folder holds; None for no bound.

    Raises:
        UsageError: A value is none that can be meant.
    """

    read: tuple[str, ...] = field(default=(), converter=_paths)
    write: tuple[str, ...] = field(default=(), converter=_paths)
    network: bool = field(default=False, converter=bool)
    subprocesses: bool = field(default=False, converter=bool)
    memory: int = field(default=1 << 30, validator=_bound(1 << 20))
    seconds: float = field(default=10.0, validator=_bound(0.01, whole=False))
    processes: int = field(validator=_bound(1))
    environment: tuple[tuple[str, str], ...] = field(default=(), converter=_variables, repr=False)
    output: int = field(default=1 << 20, validator=_bound(1))
    disk: int | None = field(default=64 << 20)

    @processes.default
    def _default_processes(self) -> int:
        return 32 if self.subprocesses else 1

    @disk.validator
    def _check_disk(self, attribute: Any, value: int | None) -> None:
        if value is not None:
            _bound(4096)(self, attribute, value)

    def __attrs_post_init__(self) -> None:
        if self.subprocesses and self.processes < 2:
            raise UsageError(
                "A policy with subprocesses allows one process only.",
                hint="Leave processes out, or pass more.",
            )
