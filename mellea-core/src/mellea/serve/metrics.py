"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

if TYPE_CHECKING:
    from mellea.serve.limits import Gate

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The counts of one server.

    Args:
        gate: What knows how many requests run and wait.
    """

    def __init__(self, gate: Gate) -> None:
        self._registry = CollectorRegistry()
        of: Any = {"registry": self._registry}
        self._requests = Counter("mellea_requests", "Answered requests.", ["model", "status"], **of)
        self._seconds = Histogram(
            "mellea_request_seconds", "Seconds of a request.", ["model"], buckets=_SECONDS, **of
        )
        self._tokens = Counter("mellea_tokens", "Tokens read and written.", ["model", "kind"], **of)
        self._verdicts = Counter("mellea_requirements", "Requirements checked.", ["model", "met"], **of)
        running = Gauge("mellea_requests_running", "Requests that run.", **of)
        running.set_function(lambda: gate.running)
        waiting = Gauge("mellea_requests_waiting", "Requests that wait for their turn.", **of)
        waiting.set_function(lambda: gate.waiting)

    def count(self, model: str, status: int | str, seconds: float) -> None:
        """Count a request.

        Args:
            model: What was asked, by the name of what is served; empty where nothing was.
            status: The HTTP status; ``gone`` where the client went away.
            seconds: How long it took.
        """
        self._requests.labels(model, str(status)).inc()
        self._seconds.labels(model).observe(seconds)

    def count_answer(
        self, model: str, usage: Mapping[str, Any] | None, verdicts: Mapping[str, Any] | None
    ) -> None:
        """Count the tokens and the verdicts of an answer."""
        for kind in ("prompt", "completion"):
            self._tokens.labels(model, kind).inc((usage or {}).get(f"{kind}_tokens", 0))
        for verdict in (verdicts or {}).get("requirements", ()):
            self._verdicts.labels(model, str(verdict["met"]).lower()).inc()

    def text(self) -> bytes:
        """Return all counts."""
        return generate_latest(self._registry)
