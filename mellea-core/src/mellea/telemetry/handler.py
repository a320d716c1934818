"""The handler of hooks that makes spans, metrics and events of what a program asks of models."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

from mellea.core.billing import answered_by, cost_of
from mellea.core.hook_dispatch import Handler
from mellea.core.hook_handlers import HookType
from mellea.core.hooks import enter_around, leave_around
from mellea.core.response import as_usage
from mellea.plugins import Plugin
from mellea.telemetry.attributes import (
    answer_attributes,
    call_attributes,
    is_agent,
    provider_name,
    request_attributes,
    usage_attributes,
    workflow_name,
)
from mellea.telemetry.content import as_json, input_content, output_content
from mellea.telemetry.engine import EngineGauges
from mellea.telemetry.failures import classify_error, error_type
from mellea.telemetry.instruments import Instruments
from mellea.telemetry.observing import LAST, observes
from mellea.telemetry.providers import set_up_metrics, set_up_traces
from mellea.telemetry.switches import (
    INSTALL,
    is_content_tracing_enabled,
    is_pricing_enabled,
    is_switched_on,
)
from mellea.telemetry.traces import Traces
from mellea.telemetry.verdicts import Verdicts

__all__ = ["Telemetry"]


class Telemetry(Plugin, name="telemetry", priority=LAST):
    """Spans, metrics and events by OpenTelemetry's conventions for generative AI.

    They go to the providers that the program has set, else where ``MELLEA_TRACES_...``,
    ``MELLEA_METRICS_...`` and ``OTEL_...`` say. One may be attached to any number of sessions. Without
    OpenTelemetry it warns, and does nothing.

    Args:
        traces: Whether there are spans.
        metrics: Whether there are metrics.
        content: Whether spans and events hold prompts, answers and reasons; by default what
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` or ``MELLEA_TRACES_CONTENT`` says.
        chunks: Whether each piece of a streamed answer is an event of its span; by default what
            ``MELLEA_GENERATION_CHUNK_EVENTS`` says.
        tracer_provider: Whose tracer makes the spans.
        meter_provider: Whose meter makes the metrics.
        logger_provider: Whose logger takes the events of verdicts; without any they stand in spans.
    """

    def __init__(
        self,
        *,
        traces: bool = True,
        metrics: bool = True,
        content: bool | None = None,
        chunks: bool | None = None,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        logger_provider: Any = None,
    ) -> None:
        self.content = is_content_tracing_enabled() if content is None else content
        self.chunks = is_switched_on("MELLEA_GENERATION_CHUNK_EVENTS") if chunks is None else chunks
        self._traces: Traces | None = None
        self._metrics: Instruments | None = None
        self._verdicts: Verdicts | None = None
        self._engines: EngineGauges | None = None
        self._last_piece: dict[str, float] = {}
        self._priced = is_pricing_enabled()
        try:
            if traces:
                set_up_traces()
                self._traces = Traces(tracer_provider, content=self.content)
                self._verdicts = Verdicts(logger_provider, content=self.content)
            if metrics:
                set_up_metrics()
                self._metrics = Instruments(meter_provider)
                self._engines = EngineGauges(meter_provider)
        except ImportError:
            warnings.warn(
                f"OpenTelemetry is not installed, so that nothing is traced or measured. {INSTALL}",
                stacklevel=2,
            )

    def handlers(self, priority: int | None = None) -> list[Handler]:
        """Return the methods that listen: none where nothing is to be done."""
        if self._traces is None and self._metrics is None:
            return []
        return super().handlers(priority)

    async def initialize(self) -> None:
        """Make spans current from now on."""
        if self._traces is not None:
            enter_around(self._traces.current)

    async def shutdown(self) -> None:
        """End what is open still."""
        if self._traces is not None:
            leave_around(self._traces.current)
            self._traces.close()

    # Verbs

    @observes(HookType.COMPONENT_PRE_EXECUTE)
    def _verb_begins(self, payload: Any, _: Any) -> None:
        agent = is_agent(payload.component_type)
        name = workflow_name(payload.component_type, payload.action)
        known = {
            "gen_ai.operation.name": "invoke_agent" if agent else "invoke_workflow",
            "gen_ai.agent.name" if agent else "gen_ai.workflow.name": name,
            "mellea.component.type": payload.component_type,
            "mellea.requirements.count": len(payload.requirements),
        }
        self._begin(payload, payload.action_id, f"{known['gen_ai.operation.name']} {name}", known)

    @observes(HookType.COMPONENT_POST_SUCCESS)
    def _verb_ends(self, payload: Any, _: Any) -> None:
        known: dict[str, Any] = {}
        if payload.sampling_success is not None:
            known = {
                "mellea.sampling.success": payload.sampling_success,
                "mellea.sampling.attempts": len(payload.sampling_results),
            }
        self._end(payload.action_id, known)
        self._time_verb(payload, None)

    @observes(HookType.COMPONENT_POST_ERROR)
    def _verb_fails(self, payload: Any, _: Any) -> None:
        self._end(payload.action_id, {}, payload.error)
        self._time_verb(payload, payload.error)

    def _time_verb(self, payload: Any, error: BaseException | None) -> None:
        if self._metrics is not None:
            agent = is_agent(payload.component_type)
            name = workflow_name(payload.component_type, payload.action)
            known = {"gen_ai.agent.name" if agent else "gen_ai.workflow.name": name}
            metric = "gen_ai.invoke_agent.duration" if agent else "gen_ai.workflow.duration"
            self._metrics.record(metric, payload.latency_ms / 1000, known | _failed(error))

    @observes(HookType.STREAMING_START)
    def _stream_begins(self, payload: Any, _: Any) -> None:
        known = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "stream",
            "mellea.requirements.count": payload.requirement_count,
        }
        self._begin(payload, payload.streaming_id, "invoke_workflow stream", known)

    @observes(HookType.STREAMING_END)
    def _stream_ends(self, payload: Any, _: Any) -> None:
        self._end(payload.streaming_id, {"mellea.sampling.success": payload.success}, payload.exception)

    # Loops

    @observes(HookType.SAMPLING_LOOP_START)
    def _loop_begins(self, payload: Any, _: Any) -> None:
        known = {
            "mellea.sampling.strategy": payload.strategy_name,
            "mellea.sampling.loop_budget": payload.loop_budget,
        }
        self._begin(payload, payload.sampling_id, f"sampling {payload.strategy_name}", known)

    @observes(HookType.SAMPLING_ITERATION)
    def _attempt_ends(self, payload: Any, _: Any) -> None:
        attempt = payload.attempt
        if self._traces is not None:
            known = {
                "mellea.attempt.lane": attempt.lane,
                "mellea.attempt.round": attempt.round,
                "mellea.attempt.success": attempt.success,
                "mellea.attempt.seconds": attempt.seconds,
                "mellea.requirements.met": payload.valid_count,
                "mellea.requirements.count": payload.total_count,
                **usage_attributes(attempt.usage),
            }
            self._traces.note(payload.sampling_id, "mellea.attempt", known)
        if self._metrics is not None:
            self._metrics.add("mellea.sampling.attempts", 1, _strategy(payload))

    @observes(HookType.SAMPLING_LOOP_END)
    def _loop_ends(self, payload: Any, _: Any) -> None:
        known = {
            "mellea.sampling.success": payload.success,
            "mellea.sampling.attempts": payload.iterations_used,
        }
        if self.content and payload.failure_reason:
            known["mellea.sampling.failure_reason"] = payload.failure_reason
        self._end(payload.sampling_id, known, payload.exception)
        if self._metrics is not None:
            name = "mellea.sampling.successes" if payload.success else "mellea.sampling.failures"
            self._metrics.add(name, 1, _strategy(payload))

    # Generations

    @observes(HookType.GENERATION_PRE_CALL)
    def _generation_begins(self, payload: Any, _: Any) -> None:
        if payload.sample_index:  # the answers of one request are one operation
            return
        self._request_begins(payload, "chat", payload.samples)

    @observes(HookType.GENERATION_BATCH_PRE_CALL)
    def _batch_begins(self, payload: Any, _: Any) -> None:
        self._request_begins(payload, "text_completion", payload.num_actions)

    def _request_begins(self, payload: Any, operation: str, samples: int) -> None:
        backend = payload.backend
        if self._engines is not None:
            self._engines.watch(backend)
        if self._traces is not None:
            known = call_attributes(backend, operation)
            wants_json = payload.format is not None
            known |= request_attributes(
                backend, payload.model_options, wants_json=wants_json, samples=samples
            )
            name = f"{operation} {backend.model_id}".strip()
            self._begin(payload, payload.generation_id, name, known, client=True)

    @observes(HookType.GENERATION_EVENT)
    def _event(self, payload: Any, _: Any) -> None:
        if payload.event_name == "chunk":
            self._piece_comes(payload)
        elif payload.event_name == "embeddings":
            self._embedded(payload)

    def _piece_comes(self, payload: Any) -> None:
        moment = time.perf_counter()
        before = self._last_piece.get(payload.generation_id)
        self._last_piece[payload.generation_id] = moment
        if self._metrics is not None and before is not None:
            known = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": payload.provider,
                "gen_ai.request.model": payload.model,
            }
            self._metrics.record("gen_ai.client.operation.time_per_output_chunk", moment - before, known)
        if self._traces is not None and self.chunks:
            told = {"mellea.chunk.characters": len(payload.data["text"])}
            if self.content:
                told["mellea.chunk.text"] = payload.data["text"]
            self._traces.note(payload.generation_id, "mellea.chunk", told)

    def _embedded(self, payload: Any) -> None:
        data = payload.data
        backend, usage, error = answered_by(data["backend"]), data["usage"], data["exception"]
        known = call_attributes(backend, "embeddings")
        cost = cost_of(usage, backend) if usage is not None and self._priced else None
        if self._traces is not None:
            told = {} if usage is None else {"gen_ai.usage.input_tokens": usage.prompt_tokens}
            if data["request"].dimensions is not None:
                told["gen_ai.embeddings.dimension.count"] = data["request"].dimensions
            name = f"embeddings {backend.model_id}".strip()
            self._begin(payload, payload.generation_id, name, {**known}, client=True, ago=data["seconds"])
            self._end(payload.generation_id, told | _money(cost), error)
        if self._metrics is not None:
            self._measure(known, {}, data["seconds"], usage, cost, error)

    @observes(HookType.GENERATION_POST_CALL)
    def _generation_ends(self, payload: Any, _: Any) -> None:
        if not payload.sample_index:
            self._request_ends(payload, "chat", payload.model_output)

    @observes(HookType.GENERATION_ERROR)
    def _generation_fails(self, payload: Any, _: Any) -> None:
        if not payload.sample_index:
            self._request_ends(payload, "chat", payload.model_output, payload.exception)

    @observes(HookType.GENERATION_BATCH_POST_CALL)
    def _batch_ends(self, payload: Any, _: Any) -> None:
        self._request_ends(payload, "text_completion", None)

    @observes(HookType.GENERATION_BATCH_ERROR)
    def _batch_fails(self, payload: Any, _: Any) -> None:
        self._request_ends(payload, "text_completion", None, payload.exception)

    def _request_ends(
        self, payload: Any, operation: str, output: Any, error: BaseException | None = None
    ) -> None:
        self._last_piece.pop(payload.generation_id, None)
        backend, outputs = payload.backend, getattr(payload, "model_outputs", None)
        asked = answered_by(backend)
        told = answer_attributes(output)
        usage = getattr(payload, "usage", None) if output is None else as_usage(output.generation.usage)
        cost = None
        if usage is not None and self._priced:
            cost = cost_of(usage, asked, told.get("gen_ai.response.model"))
        if self._traces is not None:
            told |= usage_attributes(usage)
            if asked is not backend:
                told["gen_ai.provider.name"] = provider_name(asked)
            told |= _money(cost)
            if self.content:
                told |= input_content(payload.request)
                if error is None:
                    told |= output_content([output] if output is not None else outputs or ())
            self._end(payload.generation_id, told, error, request=payload.request)
        if self._metrics is not None:
            known = call_attributes(asked, operation)
            self._measure(known, told, payload.latency_ms / 1000, usage, cost, error)

    def _measure(
        self,
        known: dict[str, Any],
        told: Mapping[str, Any],
        seconds: float,
        usage: Any,
        cost: float | None,
        error: BaseException | None,
    ) -> None:
        metrics = self._metrics
        assert metrics is not None  # noqa: S101  the caller looks
        if "gen_ai.response.model" in told:
            known["gen_ai.response.model"] = told["gen_ai.response.model"]
        metrics.record("gen_ai.client.operation.duration", seconds, known | _failed(error))
        if usage is not None:
            metrics.tokens(usage, known)
        if (first := told.get("gen_ai.response.time_to_first_chunk")) is not None:
            metrics.record("gen_ai.client.operation.time_to_first_chunk", first, known)
        if cost is not None:
            metrics.add("mellea.llm.cost.usd", cost, known)
        if error is not None:
            category = {"mellea.error.category": classify_error(error)}
            metrics.add("mellea.llm.errors", 1, known | _failed(error) | category)

    # Checks

    @observes(HookType.VALIDATION_PRE_CHECK)
    def _check_begins(self, payload: Any, _: Any) -> None:
        known = {"mellea.requirements.count": len(payload.requirements)}
        self._begin(payload, payload.validation_id, "validation", known)

    @observes(HookType.VALIDATION_POST_CHECK)
    def _check_ends(self, payload: Any, _: Any) -> None:
        pairs = list(zip(payload.requirements, payload.results, strict=False))
        if self._traces is not None and self._verdicts is not None:
            sent = getattr(payload.target, "sent", None)
            span = self._traces.context_of(sent) if sent is not None else None
            with self._traces.current(payload.validation_id):
                for requirement, result in pairs:
                    self._verdicts.tell(requirement, result, payload.target, span)
        known = {
            "mellea.requirements.met": payload.passed_count,
            "mellea.requirements.failed": payload.failed_count,
        }
        self._end(payload.validation_id, known, payload.exception)
        if self._metrics is not None:
            for requirement, result in pairs:
                named = {"mellea.requirement": requirement.name}
                self._metrics.add("mellea.requirement.checks", 1, named)
                if not result.result:
                    self._metrics.add("mellea.requirement.failures", 1, named)

    # Tools

    @observes(HookType.TOOL_PRE_INVOKE)
    def _tool_begins(self, payload: Any, _: Any) -> None:
        call = payload.model_tool_call
        known = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.type": "function",
        }
        if call.tool_call_id:
            known["gen_ai.tool.call.id"] = call.tool_call_id
        if self.content:
            known["gen_ai.tool.call.arguments"] = as_json(dict(call.args))
        self._begin(payload, payload.tool_invocation_id, f"execute_tool {call.name}", known)

    @observes(HookType.TOOL_POST_INVOKE)
    def _tool_ends(self, payload: Any, _: Any) -> None:
        error = None if payload.success else payload.error or RuntimeError("it was not carried out")
        message = payload.tool_message
        told = {"gen_ai.tool.call.result": message.content} if self.content and message is not None else {}
        self._end(payload.tool_invocation_id, told, error)
        if self._metrics is not None:
            named = {"gen_ai.tool.name": payload.model_tool_call.name, "gen_ai.tool.type": "function"}
            seconds = payload.execution_time_ms / 1000
            self._metrics.record("gen_ai.execute_tool.duration", seconds, named | _failed(error))
            status = "success" if payload.success else "failure"
            self._metrics.add("mellea.tool.calls", 1, named | {"mellea.tool.status": status})

    # Spans

    def _begin(
        self,
        payload: Any,
        key: str,
        name: str,
        known: dict[str, Any],
        *,
        client: bool = False,
        ago: float = 0.0,
    ) -> None:
        if self._traces is not None:
            if payload.session_id:
                known["gen_ai.conversation.id"] = payload.session_id
            self._traces.begin(key, name, known, client=client, ago=ago)

    def _end(
        self, key: str, told: Mapping[str, Any], error: BaseException | None = None, *, request: Any = None
    ) -> None:
        if self._traces is not None:
            self._traces.end(key, told, error, request)


def _money(cost: float | None) -> dict[str, float]:
    return {} if cost is None else {"mellea.cost.usd": cost}


def _strategy(payload: Any) -> dict[str, str]:
    return {"mellea.sampling.strategy": payload.strategy_name}


def _failed(error: BaseException | None) -> dict[str, str]:
    return {} if error is None else {"error.type": error_type(error)}
