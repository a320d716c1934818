"""What the environment switches on."""

from __future__ import annotations

import functools
import os
import sys
from importlib.util import find_spec

__all__ = [
    "INSTALL",
    "is_content_tracing_enabled",
    "is_metrics_enabled",
    "is_pricing_enabled",
    "is_switched_on",
    "is_tracing_enabled",
]

INSTALL = 'Install it with: pip install "mellea-core[telemetry]"'
_YES = frozenset({"1", "true", "yes", "on", "y", "t"})
_NO = frozenset({"0", "false", "no", "off", "n", "f"})
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_IN_SPANS = frozenset({"span_only", "span_and_event"})
"""What that variable may say besides yes."""


def is_switched_on(*variables: str, default: bool = False) -> bool:
    """Tell whether one of some variables says yes; what says neither yes nor no means the default."""
    said = [os.environ.get(variable, "").strip().lower() for variable in variables]
    if any(word in _YES for word in said):
        return True
    return default and not any(word in _NO for word in said)


def is_tracing_enabled() -> bool:
    """Tell whether the environment asks for traces, and OpenTelemetry is installed."""
    return is_switched_on("MELLEA_TRACES_ENABLED") and _is_installed()


def is_metrics_enabled() -> bool:
    """Tell whether the environment asks for metrics, and OpenTelemetry is installed."""
    return is_switched_on("MELLEA_METRICS_ENABLED") and _is_installed()


def is_content_tracing_enabled() -> bool:
    """Tell whether the environment wants prompts and answers in traces."""
    said = os.environ.get(_CONTENT, "").strip().lower()
    return said in _IN_SPANS or is_switched_on("MELLEA_TRACES_CONTENT", _CONTENT)


def is_pricing_enabled() -> bool:
    """Tell whether costs are computed: a table of prices is installed, or a file of them named."""
    there = bool(os.environ.get("MELLEA_PRICING_FILE")) or _is_there("genai_prices")
    return is_switched_on("MELLEA_PRICING_ENABLED", default=there)


def _is_installed() -> bool:
    return "opentelemetry.sdk" in sys.modules or (
        _is_there("opentelemetry") and _is_there("opentelemetry.sdk")
    )


@functools.cache
def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
