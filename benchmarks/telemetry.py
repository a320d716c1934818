"""What traces, metrics and costs add to a call: nothing where no session brings them along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.measure import Plan, ainterleaved, atimed
from benchmarks.server import Server, running_server
from benchmarks.table import Row
from mellea import MelleaSession, start_session
from mellea.telemetry import Costs, Telemetry

__all__ = ["rows"]


class _Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    tracers.add_span_processor(BatchSpanProcessor(_Nowhere()))
    telemetry = Telemetry(tracer_provider=tracers, meter_provider=meters)
    with running_server() as server:
        yield asyncio.run(_beside(plan, server, "a traced and measured call", [telemetry], 2.0))
        yield asyncio.run(_beside(plan, server, "a call whose costs are counted", [Costs()], 2.0))
    tracers.shutdown()
    meters.shutdown()


async def _beside(plan: Plan, server: Server, name: str, plugins: list[Any], bound: float) -> Row:
    url = server.base_url()

    def opened(plugins: list[Any] | None) -> MelleaSession:
        return start_session("openai", model_id="gpt-4o", base_url=url, api_key="k", plugins=plugins)

    async with opened(plugins) as watched, opened(None) as plain:
        ours, bare = await ainterleaved(
            plan.rounds(40), atimed(lambda: watched.achat("hi"), 25), atimed(lambda: plain.achat("hi"), 25)
        )
    return Row(f"{name}, against one without", ours * 1e6, bare * 1e6, "us", bound=bound)
