"""The metrics: their names, units and buckets are those of OpenTelemetry's conventions for generative AI.

What the conventions do not know begins with ``mellea.``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mellea.core.response import Usage

__all__ = ["METER", "NO_INSTRUMENT", "Instruments", "meter_of"]

METER = "mellea"

_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
_AGENT_SECONDS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6]
_WORKFLOW_SECONDS = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200]
_TOKENS = [4**power for power in range(14)]

_HISTOGRAMS: Mapping[str, tuple[str, str, Sequence[float]]] = {
    "gen_ai.client.token.usage": ("{token}", "Number of input and output tokens used.", _TOKENS),
    "gen_ai.client.operation.duration": ("s", "GenAI operation duration.", _SECONDS),
    "gen_ai.client.operation.time_to_first_chunk": ("s", "Time to receive the first chunk.", _SECONDS),
    "gen_ai.client.operation.time_per_output_chunk": ("s", "Time per output chunk.", _SECONDS),
    "gen_ai.execute_tool.duration": ("s", "The duration of a single tool execution.", _SECONDS),
    "gen_ai.invoke_agent.duration": ("s", "The duration of a single agent invocation.", _AGENT_SECONDS),
    "gen_ai.workflow.duration": ("s", "GenAI workflow duration.", _WORKFLOW_SECONDS),
    "mellea.adapter_function.phase_duration": ("s", "Phases of functions of adapters.", _SECONDS),
}
_USED = "gen_ai.client.inference.usage."
_COUNTERS: Mapping[str, tuple[str, str]] = {
    f"{_USED}input_tokens": ("{token}", "The number of input tokens used, including cached tokens."),
    f"{_USED}output_tokens": ("{token}", "The number of output tokens used, including reasoning tokens."),
    f"{_USED}cache_read.input_tokens": ("{token}", "The number of input tokens read from a cache."),
    f"{_USED}reasoning.output_tokens": ("{token}", "The number of output tokens used for reasoning."),
    "mellea.llm.errors": ("{error}", "Generations that failed."),
    "mellea.llm.cost.usd": ("{USD}", "What generations cost, where their price is known."),
    "mellea.sampling.attempts": ("{attempt}", "Attempts at answers."),
    "mellea.sampling.successes": ("{call}", "Calls whose answer meets every requirement."),
    "mellea.sampling.failures": ("{call}", "Calls without such an answer."),
    "mellea.requirement.checks": ("{check}", "Checks of requirements."),
    "mellea.requirement.failures": ("{check}", "Checks that found a requirement not met."),
    "mellea.tool.calls": ("{call}", "Calls of tools."),
    "mellea.adapter_function.invocations": ("{call}", "Calls of functions of adapters."),
    "mellea.adapter_function.parse_failures": ("{call}", "Those whose output could not be read."),
}


def meter_of(provider: Any = None) -> Any:
    """Return the meter of a provider of metrics, by default the program's."""
    from opentelemetry import metrics  # noqa: PLC0415  an extra

    return metrics.get_meter(METER, meter_provider=provider)


class Instruments:
    """The instruments of one meter, each made when it is first used.

    Args:
        provider: Whose meter; by default the program's.
    """

    def __init__(self, provider: Any = None) -> None:
        self._meter = meter_of(provider)
        self._made: dict[str, Any] = {}

    def record(self, name: str, value: float, attributes: Mapping[str, Any]) -> None:
        """Take a value into a histogram."""
        made = self._made.get(name)
        if made is None:
            unit, description, buckets = _HISTOGRAMS[name]
            made = self._made[name] = self._meter.create_histogram(
                name, unit, description, explicit_bucket_boundaries_advisory=buckets
            )
        made.record(value, attributes)

    def add(self, name: str, value: float, attributes: Mapping[str, Any]) -> None:
        """Add to a counter."""
        made = self._made.get(name)
        if made is None:
            unit, description = _COUNTERS[name]
            made = self._made[name] = self._meter.create_counter(name, unit, description)
        made.add(value, attributes)

    def tokens(self, usage: Usage, attributes: Mapping[str, Any]) -> None:
        """Count the tokens of one generation."""
        for kind, count in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            self.record("gen_ai.client.token.usage", count, {**attributes, "gen_ai.token.type": kind})
        known = {**attributes, "gen_ai.token.modality": "unknown"}
        self.add(f"{_USED}input_tokens", usage.prompt_tokens, known)
        self.add(f"{_USED}output_tokens", usage.completion_tokens, known)
        if usage.cached_tokens:
            self.add(f"{_USED}cache_read.input_tokens", usage.cached_tokens, known)
        if usage.reasoning_tokens:
            self.add(f"{_USED}reasoning.output_tokens", usage.reasoning_tokens, known)


class _NoInstrument:
    """An instrument that keeps nothing."""

    def add(self, amount: float, attributes: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Add nothing."""

    def record(self, amount: float, attributes: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Keep nothing."""


NO_INSTRUMENT = _NoInstrument()
"""What makers of instruments return where nothing is switched on."""
