"""Which installed backends can do what another one cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mellea.core.errors import CapabilityError

__all__ = ["suggest_backends"]


@contextmanager
def suggest_backends() -> Iterator[None]:
    """Add to an error about a missing capability which installed backends have it."""
    try:
        yield
    except CapabilityError as error:
        raise _with_alternatives(error) from None


def _with_alternatives(error: CapabilityError) -> CapabilityError:
    """Return the error with the installed backends that declare what is missing."""
    if error.hint:
        return error
    from mellea.plugins.registry import registry  # noqa: PLC0415  pluggy costs 20 ms, and only opening by name needs it

    rows = registry().listing("backend")
    able = sorted({row.name for row in rows if row.status == "ok" and error.missing in row.capabilities})
    names = (
        f"Installed backends that declare it: {', '.join(able)}."
        if able
        else "No installed backend declares it."
    )
    return CapabilityError(
        error.message, hint=names, missing=error.missing, backend=error.backend, model_id=error.model_id
    )
