"""What handlers of hooks may do, are told, and return."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.hook_names import HookName

if TYPE_CHECKING:
    from mellea.core.hook_payloads import MelleaBasePayload

__all__ = [
    "HookContext",
    "HookType",
    "PluginMode",
    "PluginResult",
    "PluginViolation",
    "block",
    "modify",
]


class HookType(StrEnum):
    """The hook points; each is its name as text."""

    SESSION_PRE_INIT = "session_pre_init"
    SESSION_POST_INIT = "session_post_init"
    SESSION_RESET = "session_reset"
    SESSION_CLEANUP = "session_cleanup"
    COMPONENT_PRE_EXECUTE = "component_pre_execute"
    COMPONENT_POST_SUCCESS = "component_post_success"
    COMPONENT_POST_ERROR = "component_post_error"
    GENERATION_PRE_CALL = "generation_pre_call"
    GENERATION_POST_CALL = "generation_post_call"
    GENERATION_ERROR = "generation_error"
    GENERATION_BATCH_PRE_CALL = "generation_batch_pre_call"
    GENERATION_BATCH_POST_CALL = "generation_batch_post_call"
    GENERATION_BATCH_ERROR = "generation_batch_error"
    GENERATION_EVENT = "generation_event"
    VALIDATION_PRE_CHECK = "validation_pre_check"
    VALIDATION_POST_CHECK = "validation_post_check"
    SAMPLING_LOOP_START = "sampling_loop_start"
    SAMPLING_ITERATION = "sampling_iteration"
    SAMPLING_REPAIR = "sampling_repair"
    SAMPLING_LOOP_END = "sampling_loop_end"
    TOOL_PRE_INVOKE = "tool_pre_invoke"
    TOOL_POST_INVOKE = "tool_post_invoke"
    ADAPTER_FUNCTION_INVOCATION_COMPLETE = "adapter_function_invocation_complete"
    ADAPTER_FUNCTION_PHASE_COMPLETE = "adapter_function_phase_complete"
    STREAMING_START = "streaming_start"
    STREAMING_EVENT = "streaming_event"
    STREAMING_END = "streaming_end"

    @classmethod
    def _missing_(cls, value: object) -> HookType:
        raise UsageError(f"{value!r} is no hook.", hint=f"Hooks are {', '.join(get_args(HookName))}.")


class PluginMode(StrEnum):
    """What a handler may do, and when it is called: in this order."""

    SEQUENTIAL = "sequential"
    """One after the other; it may change a payload, and stop the call."""
    TRANSFORM = "transform"
    """One after the other; it may change a payload."""
    AUDIT = "audit"
    """One after the other; it looks on, also where another handler has stopped the call."""
    CONCURRENT = "concurrent"
    """Side by side; it may stop the call."""
    FIRE_AND_FORGET = "fire_and_forget"
    """Nobody waits for it; it looks on."""

    @classmethod
    def _missing_(cls, value: object) -> PluginMode:
        raise UsageError(f"{value!r} is no mode.", hint=f"Modes are {', '.join(one.value for one in cls)}.")


@frozen
class PluginViolation:
    """Why a handler stops a call.

    Args:
        reason: Why.
        code: A short word for it, for programs.
        description: More words on it; by default the reason.
        details: What else there is to say.
    """

    reason: str
    code: str = ""
    description: str = ""
    details: Mapping[str, Any] = field(factory=dict)


@frozen
class PluginResult:
    """What a handler decides.

    Args:
        continue_processing: Whether the call goes on.
        modified_payload: The payload to go on with; None for the one that was given.
        violation: Why it does not go on.
    """

    continue_processing: bool = True
    modified_payload: Any = None
    violation: PluginViolation | None = None


def block(
    reason: str, *, code: str = "", description: str = "", details: Mapping[str, Any] | None = None
) -> PluginResult:
    """Return the decision that a call does not go on.

    Args:
        reason: Why.
        code: A short word for it, for programs.
        description: More words on it; by default the reason.
        details: What else there is to say.
    """
    return PluginResult(
        continue_processing=False,
        violation=PluginViolation(reason, code, description or reason, dict(details or {})),
    )


def modify(payload: MelleaBasePayload, **updates: Any) -> PluginResult:
    """Return the decision to go on with a changed payload.

    Args:
        payload: The payload.
        updates: Fields with their new values. Those that are not writable stay as they are.

    Raises:
        UsageError: The payload has no such field.
    """
    return PluginResult(modified_payload=payload.model_copy(update=updates))


@frozen
class HookContext:
    """What a handler is told beside the payload.

    Args:
        hook: The hook.
        session_id: The session whose call it is; None outside of one.
        request_id: The call of a verb.
        state: Whatever the handlers of one hook point want to tell each other.
    """

    hook: str
    session_id: str | None = None
    request_id: str = ""
    state: dict[str, Any] = field(factory=dict)
