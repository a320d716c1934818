"""Payloads: what the handlers of each hook are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from mellea.core.hook_names import HookName
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

_KINDS = {kind.hook: kind for family in _FAMILIES for kind in map(vars(family).__getitem__, family.__all__)}

PAYLOADS: Mapping[str, type[MelleaBasePayload]] = {name: _KINDS[name] for name in get_args(HookName)}
"""The payload of each hook, by its name."""
