"""Which installed backends can do what another one cannot."""

from __future__ import annotations

from mellea.core.errors import CapabilityError

__all__ = ["with_alternatives"]


def with_alternatives(error: CapabilityError) -> CapabilityError:
    """Return an error about a missing capability with the installed backends that declare it."""
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
