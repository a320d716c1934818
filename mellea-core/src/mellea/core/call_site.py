"""Warnings at the line of the program that made the call, on whichever thread and loop it is carried out."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

__all__ = ["RequirementsNotMetWarning", "calling_from_here", "warn_caller", "warner_from_here"]

_OURS = frozenset({"mellea", "asyncio", "threading", "concurrent", "contextlib", "functools"})
"""Packages whose frames stand between a program's line and what is said of it."""


class RequirementsNotMetWarning(UserWarning):
    """No attempt met every requirement, and the best one was returned; given once for each line that calls.

    Args:
        message: What is not met, and what to do about it.
        result: The ``SamplingResult`` with every attempt; left out when the warning is pickled.
    """

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    def __str__(self) -> str:
        return _AnyReason(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args


class _AnyReason(str):
    """A text that equals every other of its kind.

    Python gives a warning once for each line and text. Here the text is another one with each answer, and
    once for each line is meant.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _AnyReason) or super().__eq__(other)

    def __hash__(self) -> int:
        return hash(_AnyReason)


_known: dict[Any, bool] = {}
"""Whether a module is one of those, by its name; looking it up is on every call's way."""


class _CallSite(NamedTuple):
    """A line of a program, and where its module remembers the warnings it has given."""

    filename: str
    line: int
    module: str
    registry: dict[Any, Any]


_caller: ContextVar[_CallSite | None] = ContextVar("mellea_caller", default=None)


def warn_caller(warning: Warning) -> None:
    """Give a warning at the program's line: the one that awaits, else the synchronous verb's."""
    _warn_at(_outside(sys._getframe(1)) or _caller.get(), warning)  # noqa: SLF001  as `warnings` does


def warner_from_here() -> Callable[[Warning], None]:
    """Return what gives a warning at the program's line that is known now, when something is seen later."""
    return partial(_warn_at, _outside(sys._getframe(1)) or _caller.get())  # noqa: SLF001


def _warn_at(site: _CallSite | None, warning: Warning) -> None:
    site = site or _CallSite("sys", 1, "sys", {})  # as `warnings` calls it
    warnings.warn_explicit(warning, None, site.filename, site.line, site.module, site.registry)


def calling_from_here() -> Callable[[], object]:
    """Return what remembers the program's line in the context of a call that is carried out elsewhere."""
    site = _outside(sys._getframe(1))  # noqa: SLF001
    return lambda: _caller.set(site) if site is not None else None


def _outside(frame: FrameType | None) -> _CallSite | None:
    """Return the innermost line that is neither ours nor the event loop's.

    None on a thread of the library's own.
    """
    while frame is not None:
        names = frame.f_globals
        module = names["__name__"] if "__name__" in names else "<string>"  # noqa: SIM401  on every call's way
        if module not in _known:
            _known[module] = str(module).partition(".")[0] in _OURS
        if not _known[module]:
            registry = names.setdefault("__warningregistry__", {})
            return _CallSite(frame.f_code.co_filename, frame.f_lineno, str(module), registry)
        frame = frame.f_back
    return None
