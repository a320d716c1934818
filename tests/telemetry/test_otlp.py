"""The environment alone sends traces, metrics and logs to an OTLP receiver, from a program of its own."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}

PROGRAM = """
import logging
from mellea import SimpleContext, start_session
from mellea.telemetry import get_otlp_log_handler
from mellea.testing import ScriptedBackend

logging.getLogger("app").addHandler(get_otlp_log_handler())
with start_session(ScriptedBackend("Yes.")) as m:
    print(m.chat("Hello?"))
    logging.getLogger("app").warning("It said yes.")
"""


@contextmanager
def receiver():
    """Run an OTLP receiver, and give its address and what it has received, by path."""
    received = {path: [] for path in KINDS}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = decompress(body)
            received[self.path].append(KINDS[self.path].FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def test_environment_sends_everything_by_otlp():
    switches = (
        "MELLEA_TRACES_ENABLED",
        "MELLEA_METRICS_ENABLED",
        "MELLEA_LOGS_OTLP",
        "MELLEA_TRACES_CONTENT",
    )
    with receiver() as (address, received):
        environment = {
            **os.environ,
            **dict.fromkeys(switches, "true"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Yes.\n", "")
    traces, metrics, logs = received.values()
    spans = [span for each in traces for one in each.resource_spans[0].scope_spans for span in one.spans]
    chat = next(span for span in spans if span.name == "chat script")
    told = {attribute.key: attribute.value for attribute in chat.attributes}
    assert told["gen_ai.usage.output_tokens"].int_value == 1
    assert "Yes." in told["gen_ai.output.messages"].string_value
    service = traces[0].resource_spans[0].resource.attributes
    assert {"mellea"} == {one.value.string_value for one in service if one.key == "service.name"}
    names = {metric.name for metric in metrics[-1].resource_metrics[0].scope_metrics[0].metrics}
    assert "gen_ai.client.token.usage" in names
    (record,) = logs[0].resource_logs[0].scope_logs[0].log_records
    assert record.body.string_value == "It said yes."
