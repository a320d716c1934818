"""Traces, metrics and costs of what a program asks of models; an extra of the core, ``telemetry``.

``Telemetry`` and ``Costs`` are handlers of hooks: ``start_session(plugins=[Telemetry()])``. Without
OpenTelemetry everything here imports, and does nothing.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.telemetry.context import (
        MelleaContextFilter,
        async_with_context,
        generate_request_id,
        get_current_context,
        get_model_id,
        get_request_id,
        get_sampling_iteration,
        get_session_id,
        with_context,
    )
    from mellea.telemetry.costs import (
        Bill,
        Costs,
    )
    from mellea.telemetry.handler import (
        Telemetry,
    )
    from mellea.telemetry.metrics import (
        classify_error,
        create_counter,
        create_histogram,
        create_up_down_counter,
        record_adapter_function_invocation,
        record_adapter_function_parse_failure,
        record_adapter_function_phase_duration,
        record_cost,
        record_error,
        record_request_duration,
        record_requirement_check,
        record_requirement_failure,
        record_sampling_attempt,
        record_sampling_outcome,
        record_time_per_output_chunk,
        record_token_usage_metrics,
        record_tool_call,
        record_ttfb,
    )
    from mellea.telemetry.otlp_logs import (
        get_otlp_log_handler,
    )
    from mellea.telemetry.pricing import (
        compute_cost,
    )
    from mellea.telemetry.switches import (
        is_content_tracing_enabled,
        is_metrics_enabled,
        is_pricing_enabled,
        is_tracing_enabled,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Bill": "mellea.telemetry.costs",
            "Costs": "mellea.telemetry.costs",
            "MelleaContextFilter": "mellea.telemetry.context",
            "Telemetry": "mellea.telemetry.handler",
            "async_with_context": "mellea.telemetry.context",
            "classify_error": "mellea.telemetry.metrics",
            "compute_cost": "mellea.telemetry.pricing",
            "create_counter": "mellea.telemetry.metrics",
            "create_histogram": "mellea.telemetry.metrics",
            "create_up_down_counter": "mellea.telemetry.metrics",
            "generate_request_id": "mellea.telemetry.context",
            "get_current_context": "mellea.telemetry.context",
            "get_model_id": "mellea.telemetry.context",
            "get_otlp_log_handler": "mellea.telemetry.otlp_logs",
            "get_request_id": "mellea.telemetry.context",
            "get_sampling_iteration": "mellea.telemetry.context",
            "get_session_id": "mellea.telemetry.context",
            "is_content_tracing_enabled": "mellea.telemetry.switches",
            "is_metrics_enabled": "mellea.telemetry.switches",
            "is_pricing_enabled": "mellea.telemetry.switches",
            "is_tracing_enabled": "mellea.telemetry.switches",
            "record_adapter_function_invocation": "mellea.telemetry.metrics",
            "record_adapter_function_parse_failure": "mellea.telemetry.metrics",
            "record_adapter_function_phase_duration": "mellea.telemetry.metrics",
            "record_cost": "mellea.telemetry.metrics",
            "record_error": "mellea.telemetry.metrics",
            "record_request_duration": "mellea.telemetry.metrics",
            "record_requirement_check": "mellea.telemetry.metrics",
            "record_requirement_failure": "mellea.telemetry.metrics",
            "record_sampling_attempt": "mellea.telemetry.metrics",
            "record_sampling_outcome": "mellea.telemetry.metrics",
            "record_time_per_output_chunk": "mellea.telemetry.metrics",
            "record_token_usage_metrics": "mellea.telemetry.metrics",
            "record_tool_call": "mellea.telemetry.metrics",
            "record_ttfb": "mellea.telemetry.metrics",
            "with_context": "mellea.telemetry.context",
        },
    )

__all__ = [
    "Bill",
    "Costs",
    "MelleaContextFilter",
    "Telemetry",
    "async_with_context",
    "classify_error",
    "compute_cost",
    "create_counter",
    "create_histogram",
    "create_up_down_counter",
    "generate_request_id",
    "get_current_context",
    "get_model_id",
    "get_otlp_log_handler",
    "get_request_id",
    "get_sampling_iteration",
    "get_session_id",
    "is_content_tracing_enabled",
    "is_metrics_enabled",
    "is_pricing_enabled",
    "is_tracing_enabled",
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
    "with_context",
]
