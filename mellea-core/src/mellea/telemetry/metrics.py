"""Metrics for programs of their own: makers of instruments, and the ways to note what happened.

All of them do nothing without OpenTelemetry, or where ``MELLEA_METRICS_ENABLED`` does not say yes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from mellea.core.response import Usage
from mellea.telemetry.failures import classify_error
from mellea.telemetry.instruments import NO_INSTRUMENT, Instruments, meter_of
from mellea.telemetry.switches import is_metrics_enabled

__all__ = [
    "classify_error",
    "create_counter",
    "create_histogram",
    "create_up_down_counter",
    "is_metrics_enabled",
    "record_adapter_function_invocation",
    "record_adapter_function_parse_failure",
    "record_adapter_function_phase_duration",
    "record_cost",
    "record_error",
    "record_request_duration",
    "record_requirement_check",
    "record_requirement_failure",
    "record_sampling_attempt",
    "record_sampling_outcome",
    "record_time_per_output_chunk",
    "record_token_usage_metrics",
    "record_tool_call",
    "record_ttfb",
]


def create_counter(name: str, description: str = "", unit: str = "1") -> Any:
    """Return a counter, which has ``add(amount, attributes)``."""
    return _meter().create_counter(name, unit, description) if is_metrics_enabled() else NO_INSTRUMENT


def create_histogram(name: str, description: str = "", unit: str = "1") -> Any:
    """Return a histogram, which has ``record(amount, attributes)``."""
    return _meter().create_histogram(name, unit, description) if is_metrics_enabled() else NO_INSTRUMENT


def create_up_down_counter(name: str, description: str = "", unit: str = "1") -> Any:
    """Return a counter that goes down too, which has ``add(amount, attributes)``."""
    return _meter().create_up_down_counter(name, unit, description) if is_metrics_enabled() else NO_INSTRUMENT


def record_token_usage_metrics(
    input_tokens: int | None, output_tokens: int | None, model: str, provider: str, operation: str = "chat"
) -> None:
    """Count the tokens of a generation."""
    if is_metrics_enabled() and not input_tokens is output_tokens is None:
        _instruments().tokens(Usage(input_tokens or 0, output_tokens or 0), _of(model, provider, operation))


def record_request_duration(
    duration_s: float,
    model: str,
    provider: str,
    operation: str = "chat",
    streaming: bool = False,
    exception_class: str | None = None,
) -> None:
    """Note how long a generation took, in seconds."""
    more = {"error.type": exception_class} if exception_class else {}
    streamed = {"gen_ai.request.stream": True} if streaming else {}
    _record("gen_ai.client.operation.duration", duration_s, _of(model, provider, operation), streamed | more)


def record_ttfb(ttfb_s: float, model: str, provider: str, operation: str = "chat") -> None:
    """Note how long the first piece of an answer took, in seconds."""
    _record("gen_ai.client.operation.time_to_first_chunk", ttfb_s, _of(model, provider, operation))


def record_time_per_output_chunk(time_s: float, model: str, provider: str, operation: str = "chat") -> None:
    """Note how long another piece of an answer took, in seconds."""
    _record("gen_ai.client.operation.time_per_output_chunk", time_s, _of(model, provider, operation))


def record_error(
    error_type: str, model: str, provider: str, exception_class: str = "", operation: str = "chat"
) -> None:
    """Count a generation that failed.

    Args:
        error_type: What ``classify_error`` says.
        model: The model.
        provider: Its provider.
        exception_class: The error's class.
        operation: What was asked for.
    """
    more = {"error.type": exception_class or error_type, "mellea.error.category": error_type}
    _add("mellea.llm.errors", 1, _of(model, provider, operation), more)


def record_cost(cost: float, model: str, provider: str, operation: str = "chat") -> None:
    """Count what a generation cost, in US dollars."""
    _add("mellea.llm.cost.usd", cost, _of(model, provider, operation))


def record_sampling_attempt(strategy: str) -> None:
    """Count an attempt at an answer."""
    _add("mellea.sampling.attempts", 1, {"mellea.sampling.strategy": strategy})


def record_sampling_outcome(strategy: str, success: bool) -> None:
    """Count a call by whether its answer meets every requirement."""
    name = "mellea.sampling.successes" if success else "mellea.sampling.failures"
    _add(name, 1, {"mellea.sampling.strategy": strategy})


def record_requirement_check(requirement: str) -> None:
    """Count a check of a requirement."""
    _add("mellea.requirement.checks", 1, {"mellea.requirement": requirement})


def record_requirement_failure(requirement: str, reason: str = "") -> None:
    """Count a requirement that is not met. The reason is no attribute: there may be any number of them."""
    _add("mellea.requirement.failures", 1, {"mellea.requirement": requirement})


def record_tool_call(tool: str, status: str) -> None:
    """Count a call of a tool."""
    _add("mellea.tool.calls", 1, {"gen_ai.tool.name": tool, "mellea.tool.status": status})


def record_adapter_function_invocation(
    name: str, revision: str | None, binding_type: str, adapter_type: str, outcome: str
) -> None:
    """Count a call of a function of an adapter."""
    known = _function(name, revision)
    more = {
        "mellea.adapter_function.binding_type": binding_type,
        "mellea.adapter_function.adapter_type": adapter_type,
        "mellea.adapter_function.outcome": outcome,
    }
    _add("mellea.adapter_function.invocations", 1, known, more)


def record_adapter_function_phase_duration(name: str, phase: str, duration_s: float) -> None:
    """Note how long a phase of a function of an adapter took, in seconds."""
    known = {**_function(name, None), "mellea.adapter_function.phase": phase}
    _record("mellea.adapter_function.phase_duration", duration_s, known)


def record_adapter_function_parse_failure(name: str, revision: str | None = None) -> None:
    """Count a function of an adapter whose output could not be read."""
    _add("mellea.adapter_function.parse_failures", 1, _function(name, revision))


# What they have in common


def _of(model: str, provider: str, operation: str) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }


def _function(name: str, revision: str | None) -> dict[str, Any]:
    known = {"mellea.adapter_function.name": name}
    return known if revision is None else {**known, "mellea.adapter_function.revision": revision}


def _record(name: str, value: float, known: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> None:
    if is_metrics_enabled():
        _instruments().record(name, value, {**known, **(more or {})})


def _add(name: str, value: float, known: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> None:
    if is_metrics_enabled():
        _instruments().add(name, value, {**known, **(more or {})})


def _meter() -> Any:
    from mellea.telemetry.providers import set_up_metrics  # noqa: PLC0415  the SDK is slow to import

    set_up_metrics()
    return meter_of()


@functools.cache
def _instruments() -> Instruments:
    _meter()
    return Instruments()
