"""Where spans, metrics and logs go, if the program has not said it: what the environment asks for.

A program that sets providers of its own keeps them. ``OTEL_...`` variables are read by OpenTelemetry's SDK.
"""

from __future__ import annotations

import os
import threading
import warnings
from importlib import import_module
from typing import Any

from mellea.telemetry.switches import is_switched_on

__all__ = ["resource", "set_up_metrics", "set_up_traces"]

_lock = threading.Lock()
_done: set[str] = set()


def set_up_traces() -> None:
    """Send spans where the environment says, if it asks for traces and the program has no provider."""
    if not is_switched_on("MELLEA_TRACES_ENABLED") or not _is_first("traces"):
        return
    from opentelemetry import trace  # noqa: PLC0415  an extra

    if _is_set(trace.get_tracer_provider()):
        return
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  slow to import
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415  see above
        BatchSpanProcessor,
        ConsoleSpanExporter,
        SimpleSpanProcessor,
    )

    provider = TracerProvider(resource=resource())
    if is_switched_on("MELLEA_TRACES_OTLP", default=_has_endpoint("TRACES")):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if is_switched_on("MELLEA_TRACES_CONSOLE"):
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)


def set_up_metrics() -> None:
    """Send metrics where the environment says, if it asks for them and the program has no provider."""
    if not is_switched_on("MELLEA_METRICS_ENABLED") or not _is_first("metrics"):
        return
    from opentelemetry import metrics  # noqa: PLC0415  an extra

    if _is_set(metrics.get_meter_provider()):
        return
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  slow to import

    metrics.set_meter_provider(MeterProvider(_readers(), resource=resource()))


def _readers() -> list[Any]:
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415  slow to import
        ConsoleMetricExporter,
        PeriodicExportingMetricReader,
    )

    readers: list[Any] = []
    if is_switched_on("MELLEA_METRICS_OTLP", default=_has_endpoint("METRICS")):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    if is_switched_on("MELLEA_METRICS_CONSOLE"):
        readers.append(PeriodicExportingMetricReader(ConsoleMetricExporter()))
    if is_switched_on("MELLEA_METRICS_PROMETHEUS"):
        try:
            prometheus = import_module("opentelemetry.exporter.prometheus")
        except ImportError:
            warnings.warn(
                "MELLEA_METRICS_PROMETHEUS needs opentelemetry-exporter-prometheus, which is not installed; "
                "the metrics are not kept for Prometheus.",
                stacklevel=2,
            )
        else:
            readers.append(prometheus.PrometheusMetricReader())
    return readers


def _is_first(kind: str) -> bool:
    with _lock:
        first = kind not in _done
        _done.add(kind)
    return first


def _is_set(provider: Any) -> bool:
    """Tell whether the program has set a provider: what stands in for none is of the API's own."""
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def resource() -> Any:
    """Return what everything that is sent says of this process: ``mellea``, unless ``OTEL_...`` names it."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  slow to import

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return Resource.create({} if named else {"service.name": "mellea"})


def _has_endpoint(signal: str) -> bool:
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return any(os.environ.get(name) for name in names)
