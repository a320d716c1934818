"""The names of the hook points."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["HookFamily", "HookName"]

HookName: TypeAlias = Literal[
    "session_pre_init",
    "session_post_init",
    "session_reset",
    "session_cleanup",
    "component_pre_execute",
    "component_post_success",
    "component_post_error",
    "generation_pre_call",
    "generation_post_call",
    "generation_error",
    "generation_batch_pre_call",
    "generation_batch_post_call",
    "generation_batch_error",
    "generation_event",
    "validation_pre_check",
    "validation_post_check",
    "sampling_loop_start",
    "sampling_iteration",
    "sampling_repair",
    "sampling_loop_end",
    "tool_pre_invoke",
    "tool_post_invoke",
    "adapter_function_invocation_complete",
    "adapter_function_phase_complete",
    "streaming_start",
    "streaming_event",
    "streaming_end",
]
"""The hook points."""

HookFamily: TypeAlias = Literal[
    "session", "component", "generation", "validation", "sampling", "tool", "streaming", "any"
]
"""Hook points that begin and end together; ``any`` is all of them."""
