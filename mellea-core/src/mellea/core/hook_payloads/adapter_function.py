"""Payloads of the hooks of functions of adapters."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload

__all__ = ["AdapterFunctionInvocationCompletePayload", "AdapterFunctionPhaseCompletePayload"]


@frozen(kw_only=True)
class AdapterFunctionInvocationCompletePayload(MelleaBasePayload):
    """A call that an adapter answers has ended.

    Args:
        name: The adapter.
        revision: Its revision, where somebody says so.
        binding_type: ``folder`` for weights that the backend has read, ``server`` for a server's own.
        adapter_type: ``lora`` or ``alora``.
        outcome: ``success``, ``unreadable`` for an answer that does not fit, or ``error``.
        error: Why it failed.
    """

    hook: ClassVar[HookName] = "adapter_function_invocation_complete"

    name: str = ""
    revision: str | None = None
    binding_type: str = ""
    adapter_type: str = ""
    outcome: str = ""
    error: BaseException | None = None


@frozen(kw_only=True)
class AdapterFunctionPhaseCompletePayload(MelleaBasePayload):
    """A phase of a call that an adapter answers has ended.

    Args:
        name: The adapter.
        phase: ``generate`` or ``parse``.
        duration_ms: Milliseconds that it took.
    """

    hook: ClassVar[HookName] = "adapter_function_phase_complete"

    name: str = ""
    phase: str = ""
    duration_ms: float = 0.0
