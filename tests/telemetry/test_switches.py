import os
import subprocess
import sys

import pytest

from mellea import telemetry
from mellea.core import (
    AuthenticationError,
    MalformedResponseError,
    ModelNotFoundError,
    ProviderConnectionError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    RefusalError,
    RequestRejectedError,
    ServerError,
    UsageError,
)
from mellea.telemetry import classify_error, compute_cost
from mellea.telemetry.otlp_logs import get_otlp_log_handler
from mellea.telemetry.providers import set_up_metrics, set_up_traces


@pytest.fixture(autouse=True)
def nothing_switched_on(monkeypatch):
    for name in ("MELLEA_TRACES_ENABLED", "MELLEA_METRICS_ENABLED", "MELLEA_TRACES_CONTENT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "asked"),
    [
        ("MELLEA_TRACES_ENABLED", "is_tracing_enabled"),
        ("MELLEA_METRICS_ENABLED", "is_metrics_enabled"),
        ("MELLEA_TRACES_CONTENT", "is_content_tracing_enabled"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "is_content_tracing_enabled"),
    ],
)
def test_switches_are_off_unless_the_environment_says_yes(monkeypatch, variable, asked):
    ask = getattr(telemetry, asked)
    said = {}
    for word in ("", "no", "0", "what", " TRUE ", "on", "1"):
        monkeypatch.setenv(variable, word)
        said[word] = ask()
    assert said == {"": False, "no": False, "0": False, "what": False, " TRUE ": True, "on": True, "1": True}


def test_standard_words_for_content_in_spans(monkeypatch):
    said = []
    for word in ("SPAN_ONLY", "span_and_event", "EVENT_ONLY", "NO_CONTENT"):
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", word)
        said.append(telemetry.is_content_tracing_enabled())
    assert said == [True, True, False, False]


def test_pricing_is_on_where_there_are_prices(monkeypatch):
    assert telemetry.is_pricing_enabled()
    monkeypatch.setenv("MELLEA_PRICING_ENABLED", "false")
    assert not telemetry.is_pricing_enabled()


def test_cost_by_names():
    assert compute_cost("gpt-4o", "openai", 1_000_000, 0) == 2.5
    assert compute_cost("gpt-4o", "openai", 1_000_000, 0, 1_000_000) == 1.25
    assert compute_cost("nobody-knows", "openai", 1, 1) is None


RECORDS = {
    "record_token_usage_metrics": (1, 2, "m", "p", "chat"),
    "record_request_duration": (0.1, "m", "p", "chat", True, "ValueError"),
    "record_ttfb": (0.1, "m", "p", "chat"),
    "record_time_per_output_chunk": (0.1, "m", "p", "chat"),
    "record_error": ("timeout", "m", "p", "TimeoutError", "chat"),
    "record_cost": (0.1, "m", "p", "chat"),
    "record_sampling_attempt": ("s",),
    "record_sampling_outcome": ("s", True),
    "record_requirement_check": ("r",),
    "record_requirement_failure": ("r", "why"),
    "record_tool_call": ("t", "success"),
    "record_adapter_function_invocation": ("n", "1", "b", "a", "ok"),
    "record_adapter_function_phase_duration": ("n", "load", 0.1),
    "record_adapter_function_parse_failure": ("n", "1"),
}


def test_nothing_is_kept_unless_metrics_are_switched_on():
    for name, arguments in RECORDS.items():
        assert getattr(telemetry, name)(*arguments) is None
    for make in (telemetry.create_counter, telemetry.create_up_down_counter):
        make("n", "d", "1").add(1, {"a": "b"})
    telemetry.create_histogram("n").record(1.0)
    set_up_traces()
    set_up_metrics()
    assert get_otlp_log_handler() is None


ALL = """
import sys
BEFORE
from mellea import telemetry
made = telemetry.create_counter("mine", "d", "1")
made.add(3, {"a": "b"})
telemetry.create_histogram("wide").record(1.5)
telemetry.create_up_down_counter("both").add(-1)
for name, arguments in RECORDS.items():
    getattr(telemetry, name)(*arguments)
AFTER
"""

READS = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
"""
PRINTS = """
read = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
print(*sorted({metric.name for metric in read}))
"""
BLOCKS = """
class Blocked:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith(("opentelemetry", "genai_prices")):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked)
"""


def run(before, after, **environment):
    program = ALL.replace("BEFORE", before).replace("AFTER", after).replace("RECORDS", repr(RECORDS))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_that_is_recorded_arrives_in_the_programs_own_provider():
    done = run(READS, PRINTS, MELLEA_METRICS_ENABLED="true")
    names = done.stdout.split()
    assert done.stderr == ""
    assert {"mine", "wide", "both", "gen_ai.client.token.usage", "mellea.llm.cost.usd"} <= set(names)
    assert len(names) == 3 + 16


def test_without_opentelemetry_everything_imports_and_does_nothing():
    after = "assert not telemetry.is_metrics_enabled() and not telemetry.is_tracing_enabled()"
    done = run(BLOCKS, after, MELLEA_METRICS_ENABLED="true", MELLEA_TRACES_ENABLED="true")
    assert (done.returncode, done.stderr) == (0, "")


class APIStatusError(Exception):
    def __init__(self, status_code):
        self.status_code = status_code


class ReadTimeoutError(Exception):
    pass


class ContentPolicyViolationError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimitError("x"), "rate_limit"),
        (QuotaError("x"), "rate_limit"),
        (ProviderTimeoutError("x"), "timeout"),
        (AuthenticationError("x"), "auth"),
        (RefusalError("x"), "content_policy"),
        (RequestRejectedError("x"), "invalid_request"),
        (ModelNotFoundError("x"), "invalid_request"),
        (UsageError("x"), "invalid_request"),
        (ProviderConnectionError("x"), "transport_error"),
        (ServerError("x"), "server_error"),
        (MalformedResponseError("x"), "server_error"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "transport_error"),
        (PermissionError(), "auth"),
        (APIStatusError(429), "rate_limit"),
        (APIStatusError(403), "auth"),
        (APIStatusError(422), "invalid_request"),
        (APIStatusError(503), "server_error"),
        (ReadTimeoutError(), "timeout"),
        (ContentPolicyViolationError(), "content_policy"),
        (ZeroDivisionError(), "unknown"),
    ],
)
def test_errors_fall_into_a_few_kinds(error, kind):
    assert classify_error(error) == kind
