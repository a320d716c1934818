"""What the environment attaches to every session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mellea.telemetry.handler import Telemetry
from mellea.telemetry.switches import is_switched_on

__all__ = ["switched_on"]

_shared: dict[tuple[bool, bool], Telemetry] = {}


def switched_on(plugins: Iterable[Any]) -> Telemetry | None:
    """Return the handler that the environment asks for; None if it asks for none, or one is there already.

    Args:
        plugins: What the session brings along.
    """
    wanted = (is_switched_on("MELLEA_TRACES_ENABLED"), is_switched_on("MELLEA_METRICS_ENABLED"))
    if not any(wanted) or any(item == "telemetry" or isinstance(item, Telemetry) for item in plugins):
        return None
    if wanted not in _shared:
        _shared[wanted] = Telemetry(traces=wanted[0], metrics=wanted[1])
    return _shared[wanted]
