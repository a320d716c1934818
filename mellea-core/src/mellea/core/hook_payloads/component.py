"""Payloads of the hooks of verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload, list_field, mapping_field

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.metadata import GenerateLog
    from mellea.core.requirement import Requirement
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["ComponentPostErrorPayload", "ComponentPostSuccessPayload", "ComponentPreExecutePayload"]


@frozen(kw_only=True)
class ComponentPreExecutePayload(MelleaBasePayload):
    """A verb is about to ask for something.

    Args:
        action_id: The call; the same in the hook that ends it.
        component_type: The class of what is asked.
        action: What is asked.
        context_view: What of the conversation is shown.
        requirements: What the output has to meet.
        model_options: Options of the call.
        format: What the output has to look like.
        strategy: How attempts are made; None for one that is not checked.
        tool_calls_enabled: Whether the model may call tools.
    """

    hook: ClassVar[HookName] = "component_pre_execute"
    writable: ClassVar[tuple[str, ...]] = (
        "requirements",
        "model_options",
        "format",
        "strategy",
        "tool_calls_enabled",
    )

    action_id: str = ""
    component_type: str = ""
    action: Span | None = None
    context_view: Sequence[Span] | None = None
    requirements: Sequence[Requirement | str] = list_field()
    model_options: Mapping[str, Any] | None = mapping_field()
    format: Any = None
    strategy: Any = None
    tool_calls_enabled: bool = False


@frozen(kw_only=True)
class ComponentPostSuccessPayload(MelleaBasePayload):
    """A verb has its output. Instead of `component_post_error`.

    Args:
        action_id: The call.
        component_type: The class of what was asked.
        action: What was asked.
        result: The output.
        context_before: The conversation before.
        context_after: The conversation with the output.
        generate_log: What was sent.
        sampling_results: The outputs of all attempts.
        sampling_success: Whether every requirement is met; None where none was checked.
        latency_ms: Milliseconds since the call.
    """

    hook: ClassVar[HookName] = "component_post_success"

    action_id: str = ""
    component_type: str = ""
    action: Span | None = None
    result: ModelOutputThunk[Any] | None = None
    context_before: Context | None = None
    context_after: Context | None = None
    generate_log: GenerateLog | None = None
    sampling_results: Sequence[Any] = list_field()
    sampling_success: bool | None = None
    latency_ms: float = 0.0


@frozen(kw_only=True)
class ComponentPostErrorPayload(MelleaBasePayload):
    """A verb has failed, or was stopped.

    Args:
        action_id: The call.
        component_type: The class of what was asked.
        action: What was asked.
        error: Why.
        error_type: The class of that.
        stack_trace: Where it was raised.
        context: The conversation before.
        model_options: Options of the call.
        latency_ms: Milliseconds since the call.
    """

    hook: ClassVar[HookName] = "component_post_error"

    action_id: str = ""
    component_type: str = ""
    action: Span | None = None
    error: BaseException | None = None
    error_type: str = ""
    stack_trace: str = ""
    context: Context | None = None
    model_options: Mapping[str, Any] | None = mapping_field()
    latency_ms: float = 0.0
