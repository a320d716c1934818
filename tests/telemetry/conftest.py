"""Providers that keep what they are given, and a backend whose answers have everything to tell."""

import pytest
from attrs import define, field
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mellea.telemetry import Telemetry


@define(slots=False)
class Seen:
    """What was exported."""

    spans_of: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)
    logs_of: InMemoryLogRecordExporter = field(factory=InMemoryLogRecordExporter)

    def __attrs_post_init__(self):
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans_of))
        self.meters = MeterProvider([self.reader])
        self.loggers = LoggerProvider()
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs_of))

    def telemetry(self, *, events=False, **options):
        given = {"logger_provider": self.loggers} if events else {}
        return Telemetry(tracer_provider=self.tracers, meter_provider=self.meters, **given, **options)

    @property
    def spans(self):
        return sorted(self.spans_of.get_finished_spans(), key=lambda span: span.start_time)

    def span(self, name):
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def tree(self):
        """Return the names of spans as a tree: each with those below it."""
        below = {}
        for span in self.spans:
            below.setdefault(span.parent and span.parent.span_id, []).append(span)
        known = {span.context.span_id for span in self.spans}
        roots = [span for span in self.spans if span.parent is None or span.parent.span_id not in known]

        def told(span):
            children = [told(child) for child in below.get(span.context.span_id, [])]
            return (span.name, *children) if children else span.name

        return [told(span) for span in roots]

    def metrics(self):
        """Return the points of each metric, by its name."""
        read = self.reader.get_metrics_data()
        scopes = read.resource_metrics[0].scope_metrics if read and read.resource_metrics else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}

    def total(self, name, **attributes):
        """Return the sum of a metric's points that have these attributes."""
        return sum(
            getattr(point, "sum", getattr(point, "value", None))
            for point in self.metrics()[name]
            if attributes.items() <= dict(point.attributes).items()
        )

    def events(self, name="gen_ai.evaluation.result"):
        return [record for record in self.logs_of.get_finished_logs() if record.log_record.event_name == name]


@pytest.fixture
def seen():
    given = Seen()
    yield given
    given.tracers.shutdown()
    given.meters.shutdown()
    given.loggers.shutdown()
