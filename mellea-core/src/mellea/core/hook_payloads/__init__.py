"""Payloads: what the handlers of each hook are told."""

from __future__ import annotations

from collections.abc import Mapping

from mellea.core.hook_payloads import (
    adapter_function,
    component,
    generation,
    sampling,
    session,
    streaming,
    tool,
    validation,
)
from mellea.core.hook_payloads.base import MelleaBasePayload

__all__ = ["PAYLOADS", "MelleaBasePayload"]

_FAMILIES = (session, component, generation, validation, sampling, tool, adapter_function, streaming)

PAYLOADS: Mapping[str, type[MelleaBasePayload]] = {
    kind.hook: kind for family in _FAMILIES for kind in (vars(family)[name] for name in family.__all__)
}
"""The payload of each hook, by its name."""
