"""Payloads of the hooks of calls of tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload

if TYPE_CHECKING:
    from mellea.core.tool_call import ModelToolCall
    from mellea.core.tool_message import ToolMessage

__all__ = ["ToolPostInvokePayload", "ToolPreInvokePayload"]


@frozen(kw_only=True)
class ToolPreInvokePayload(MelleaBasePayload):
    """A call of a tool is about to be looked at, and carried out.

    Args:
        tool_invocation_id: The call; the same in the hook that ends it.
        model_tool_call: The call.
        is_control_flow: Whether it is a tool of the library itself.
    """

    hook: ClassVar[HookName] = "tool_pre_invoke"
    writable: ClassVar[tuple[str, ...]] = ("model_tool_call",)

    tool_invocation_id: str = ""
    model_tool_call: ModelToolCall | None = None
    is_control_flow: bool = False


@frozen(kw_only=True)
class ToolPostInvokePayload(MelleaBasePayload):
    """A call of a tool was carried out, refused, or has failed.

    Args:
        tool_invocation_id: The call.
        model_tool_call: The call as it was carried out.
        tool_output: What the tool returned, or raised.
        tool_message: What the model is told.
        execution_time_ms: Milliseconds that it took.
        success: Whether the tool returned.
        error: Why it did not.
        is_control_flow: Whether it is a tool of the library itself.
    """

    hook: ClassVar[HookName] = "tool_post_invoke"
    writable: ClassVar[tuple[str, ...]] = ("tool_output",)

    tool_invocation_id: str = ""
    model_tool_call: ModelToolCall | None = None
    tool_output: Any = None
    tool_message: ToolMessage | None = None
    execution_time_ms: float = 0.0
    success: bool = False
    error: BaseException | None = None
    is_control_flow: bool = False
