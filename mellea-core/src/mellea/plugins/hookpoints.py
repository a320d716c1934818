"""The hook points, as specifications of the plugin manager; the reference of hooks is made of them.

A handler is a function with ``@hook(...)``. A module that a session brings along may also implement a
specification with ``@hookimpl``, plain or asynchronous; ``tryfirst`` is priority 0, ``trylast`` is 100.
"""

from __future__ import annotations

from mellea.core.hook_handlers import HookContext, PluginResult
from mellea.plugins import hooks
from mellea.plugins.hookspecs import hookspec

__all__ = [
    "adapter_function_invocation_complete",
    "adapter_function_phase_complete",
    "component_post_error",
    "component_post_success",
    "component_pre_execute",
    "generation_batch_error",
    "generation_batch_post_call",
    "generation_batch_pre_call",
    "generation_error",
    "generation_event",
    "generation_post_call",
    "generation_pre_call",
    "sampling_iteration",
    "sampling_loop_end",
    "sampling_loop_start",
    "sampling_repair",
    "session_cleanup",
    "session_post_init",
    "session_pre_init",
    "session_reset",
    "streaming_end",
    "streaming_event",
    "streaming_start",
    "tool_post_invoke",
    "tool_pre_invoke",
    "validation_post_check",
    "validation_pre_check",
]


@hookspec
def session_cleanup(payload: hooks.SessionCleanupPayload, ctx: HookContext) -> PluginResult | None:
    """A session closes.

    When a session, or a clone, closes; once. What is attached to it still listens. A block: it closes all
    the same, and the error is raised then.
    """


@hookspec
def session_post_init(payload: hooks.SessionPostInitPayload, ctx: HookContext) -> PluginResult | None:
    """A session is open.

    When a session has opened, a clone included. A block: it is closed again, with the backend that it
    opened.
    """


@hookspec
def session_pre_init(payload: hooks.SessionPreInitPayload, ctx: HookContext) -> PluginResult | None:
    """A session is about to open.

    Before the backend and the context of `start_session` are opened, once. A block: nothing opens.
    """


@hookspec
def session_reset(payload: hooks.SessionResetPayload, ctx: HookContext) -> PluginResult | None:
    """A session forgets its conversation.

    Before `reset()` forgets the conversation. A block: it stays.
    """


@hookspec
def component_post_error(payload: hooks.ComponentPostErrorPayload, ctx: HookContext) -> PluginResult | None:
    """A verb has failed, or was stopped.

    When a verb fails, is cancelled or is stopped by a handler. The error goes out, whatever a handler
    says.
    """


@hookspec
def component_post_success(
    payload: hooks.ComponentPostSuccessPayload, ctx: HookContext
) -> PluginResult | None:
    """A verb has its output.

    When the output of a verb is complete, before the caller has it. A block: the caller gets the error,
    and nothing is remembered.
    """


@hookspec
def component_pre_execute(payload: hooks.ComponentPreExecutePayload, ctx: HookContext) -> PluginResult | None:
    """A verb is about to ask for something.

    At the beginning of every verb, before anything is rendered. `component_post_success` or
    `component_post_error` follows, once.
    """


@hookspec
def generation_batch_error(
    payload: hooks.GenerationBatchErrorPayload, ctx: HookContext
) -> PluginResult | None:
    """A batch of plain texts has failed, or was stopped.

    When a batch fails. The error goes out, whatever a handler says.
    """


@hookspec
def generation_batch_post_call(
    payload: hooks.GenerationBatchPostCallPayload, ctx: HookContext
) -> PluginResult | None:
    """A batch of plain texts is complete.

    When all texts are complete. A block: the caller gets the error.
    """


@hookspec
def generation_batch_pre_call(
    payload: hooks.GenerationBatchPreCallPayload, ctx: HookContext
) -> PluginResult | None:
    """A backend is about to complete plain texts.

    Before `generate_from_raw` sends plain texts. `generation_batch_post_call` or `generation_batch_error`
    follows, once.
    """


@hookspec
def generation_error(payload: hooks.GenerationErrorPayload, ctx: HookContext) -> PluginResult | None:
    """There is no answer: an error, a cancellation, or a handler that stops it.

    When there is no answer. The error goes out, whatever a handler says.
    """


@hookspec
def generation_event(payload: hooks.GenerationEventPayload, ctx: HookContext) -> PluginResult | None:
    """Something happens within a generation: a chunk of the answer has come.

    For each chunk that a backend yields. A block: the generation is stopped.
    """


@hookspec
def generation_post_call(payload: hooks.GenerationPostCallPayload, ctx: HookContext) -> PluginResult | None:
    """An answer is there, and nobody has it yet.

    When an answer is complete, before any reader of the output has its end; pieces of a stream were read
    before. A block: the output fails with the error.
    """


@hookspec
def generation_pre_call(payload: hooks.GenerationPreCallPayload, ctx: HookContext) -> PluginResult | None:
    """A backend is about to be asked for an answer.

    Before a backend is asked: by a verb, an attempt, a judge, a summary. `generation_post_call` or
    `generation_error` follows, once.
    """


@hookspec
def validation_post_check(payload: hooks.ValidationPostCheckPayload, ctx: HookContext) -> PluginResult | None:
    """An output was checked, or could not be.

    When an output was checked, or could not be.
    """


@hookspec
def validation_pre_check(payload: hooks.ValidationPreCheckPayload, ctx: HookContext) -> PluginResult | None:
    """An output is about to be checked.

    Before an output is checked against requirements, if there are any. `validation_post_check` follows,
    once.
    """


@hookspec
def sampling_iteration(payload: hooks.SamplingIterationPayload, ctx: HookContext) -> PluginResult | None:
    """An attempt has ended.

    When an attempt has ended, rounds of tools included; in any lane.
    """


@hookspec
def sampling_loop_end(payload: hooks.SamplingLoopEndPayload, ctx: HookContext) -> PluginResult | None:
    """A strategy has chosen, or has failed.

    When a strategy has chosen, or has failed.
    """


@hookspec
def sampling_loop_start(payload: hooks.SamplingLoopStartPayload, ctx: HookContext) -> PluginResult | None:
    """A strategy is about to make attempts.

    Before a strategy makes its first attempt. `sampling_loop_end` follows, once.
    """


@hookspec
def sampling_repair(payload: hooks.SamplingRepairPayload, ctx: HookContext) -> PluginResult | None:
    """A failed attempt is about to be repaired.

    When a strategy has said what is asked after a failed attempt.
    """


@hookspec
def tool_post_invoke(payload: hooks.ToolPostInvokePayload, ctx: HookContext) -> PluginResult | None:
    """A call of a tool was carried out, refused, or has failed.

    When a call was carried out, refused or given up, before the model is told. A block: the verb ends
    with the error.
    """


@hookspec
def tool_pre_invoke(payload: hooks.ToolPreInvokePayload, ctx: HookContext) -> PluginResult | None:
    """A call of a tool is about to be looked at, and carried out.

    Before a call of a tool is checked, allowed and carried out. `tool_post_invoke` follows, once. A
    block: the verb ends with the error.
    """


@hookspec
def adapter_function_invocation_complete(
    payload: hooks.AdapterFunctionInvocationCompletePayload, ctx: HookContext
) -> PluginResult | None:
    """A call that an adapter answers has ended.

    After an ``Intrinsic``, a function of ``mellea.stdlib.components.intrinsic`` or an ``ALoraRequirement``.
    """


@hookspec
def adapter_function_phase_complete(
    payload: hooks.AdapterFunctionPhaseCompletePayload, ctx: HookContext
) -> PluginResult | None:
    """A phase of a call that an adapter answers has ended.

    When the answer is complete, and when it is read.
    """


@hookspec
def streaming_end(payload: hooks.StreamingEndPayload, ctx: HookContext) -> PluginResult | None:
    """A stream is over: complete, failed, stopped or left.

    When a checked stream is over.
    """


@hookspec
def streaming_event(payload: hooks.StreamingEventPayload, ctx: HookContext) -> PluginResult | None:
    """Something happens in a stream.

    For each event of a checked stream, before its reader gets it. A block: the stream is stopped.
    """


@hookspec
def streaming_start(payload: hooks.StreamingStartPayload, ctx: HookContext) -> PluginResult | None:
    """A checked stream is about to begin.

    Before the generation of a checked stream is started. `streaming_end` follows, once, also when
    starting fails.
    """
