"""What log records say of the call that they belong to: context variables, and a filter for logs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from mellea.core.errors import UsageError

__all__ = [
    "MelleaContextFilter",
    "async_with_context",
    "generate_request_id",
    "get_current_context",
    "get_model_id",
    "get_request_id",
    "get_sampling_iteration",
    "get_session_id",
    "with_context",
]

_FIELDS = ("session_id", "request_id", "model_id", "sampling_iteration")
_context: ContextVar[Mapping[str, Any]] = ContextVar(
    "mellea_telemetry",
    default=MappingProxyType({}),
)


@contextmanager
def with_context(**fields: Any) -> Iterator[None]:
    """Say within a block, and in the tasks that begin there, what calls belong to.

    Args:
        fields: ``session_id``, ``request_id``, ``model_id``, ``sampling_iteration``; those of blocks around
            it hold too.

    Raises:
        UsageError: There is no such field.
    """
    if unknown := sorted(fields.keys() - set(_FIELDS)):
        raise UsageError(
            f"There is no {', '.join(unknown)} in the context.", hint=f"It has {', '.join(_FIELDS)}."
        )
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


@asynccontextmanager
async def async_with_context(**fields: Any) -> AsyncIterator[None]:
    """Asynchronous twin of ``with_context``."""
    with with_context(**fields):
        yield


def get_current_context() -> dict[str, Any]:
    """Return the fields that are set here."""
    return {name: value for name, value in _context.get().items() if value is not None}


def get_session_id() -> str | None:
    """Return the session that calls belong to here, or None."""
    return _context.get().get("session_id")


def get_request_id() -> str | None:
    """Return the request that calls belong to here, or None."""
    return _context.get().get("request_id")


def get_model_id() -> str | None:
    """Return the model that is asked here, or None."""
    return _context.get().get("model_id")


def get_sampling_iteration() -> int | None:
    """Return which attempt is made here, or None."""
    return _context.get().get("sampling_iteration")


def generate_request_id() -> str:
    """Return a fresh hexadecimal name for a request."""
    return uuid.uuid4().hex


class MelleaContextFilter(logging.Filter):
    """Lets every record pass, and puts the fields on it that it has not itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the fields on a record."""
        for name, value in get_current_context().items():
            record.__dict__.setdefault(name, value)
        return True
