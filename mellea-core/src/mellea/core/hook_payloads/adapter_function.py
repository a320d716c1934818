"""Payloads of the hooks of functions of adapters."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload

__all__ = ["AdapterFunctionInvocationCompletePayload", "AdapterFunctionPhaseCompletePayload"]


@frozen(kw_only=True)
class AdapterFunctionInvocationCompletePayload(MelleaBasePayload):
    """A function of an adapter has ended. Nothing fires it before there are adapters.

    Args:
        name: The function.
        revision: Its revision.
        binding_type: How it is bound.
        adapter_type: The type of adapter.
        outcome: How it ended.
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
    """A phase of a function of an adapter has ended. Nothing fires it before there are adapters.

    Args:
        name: The function.
        phase: The phase.
        duration_ms: Milliseconds that it took.
    """

    hook: ClassVar[HookName] = "adapter_function_phase_complete"

    name: str = ""
    phase: str = ""
    duration_ms: float = 0.0
