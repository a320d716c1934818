"""Spans by the ids of what they stand for: each begins once, and ends once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import ref

from mellea.core.redaction import redacted
from mellea.telemetry.failures import error_type
from mellea.telemetry.instruments import METER

__all__ = ["Traces"]


class Traces:
    """The spans that one handler has open.

    Args:
        provider: Whose tracer; by default the program's.
        content: Whether spans say what was asked and answered.
    """

    def __init__(self, provider: Any, *, content: bool) -> None:
        from opentelemetry import trace  # noqa: PLC0415  an extra

        self.content = content
        self._trace = trace
        self._tracer = trace.get_tracer(METER, tracer_provider=provider)
        self._open: dict[str, Any] = {}
        self._sent: dict[int, tuple[ref[Any], Any]] = {}
        """The spans of requests that somebody keeps, by the ids of these."""

    def begin(
        self, key: str, name: str, attributes: Mapping[str, Any], *, client: bool = False, ago: float = 0.0
    ) -> None:
        """Begin a span below the one that is current.

        Args:
            key: The id of what it stands for.
            name: Its name.
            attributes: What is known already.
            client: Whether it is a request to somebody else.
            ago: Seconds since it began.
        """
        started = time.time_ns() - int(ago * 1e9) if ago else None
        kind = self._trace.SpanKind.CLIENT if client else self._trace.SpanKind.INTERNAL
        self._open[key] = self._tracer.start_span(name, kind=kind, attributes=attributes, start_time=started)

    def end(
        self,
        key: str,
        attributes: Mapping[str, Any],
        error: BaseException | None = None,
        request: Any = None,
    ) -> None:
        """End a span.

        Args:
            key: The id of what it stands for.
            attributes: What is known now.
            error: Why what it stands for has failed.
            request: What was sent, to whose span verdicts on its answers go.
        """
        span = self._open.pop(key, None)
        if span is None:
            return
        span.set_attributes(attributes)
        if error is not None:
            kind = error_type(error)
            span.set_attribute("error.type", kind)
            said = redacted(str(error)) if self.content else kind  # an error may repeat the prompt
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, said))
        if request is not None:
            number = id(request)
            kept = ref(request, lambda _: self._sent.pop(number, None))
            self._sent[number] = kept, span.get_span_context()
        span.end()

    def note(self, key: str, name: str, attributes: Mapping[str, Any]) -> None:
        """Add an event to an open span."""
        if (span := self._open.get(key)) is not None:
            span.add_event(name, attributes)

    def context_of(self, request: Any) -> Any:
        """Return the context with the span of a request; None where it is not known."""
        found = self._sent.get(id(request))
        if found is None or found[0]() is not request:
            return None
        known = found[1]
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(known))

    @contextmanager
    def current(self, key: str) -> Iterator[None]:
        """Make the span of an id the current one in a block, if it is open."""
        span = self._open.get(key)
        if span is None:
            yield
            return
        with self._trace.use_span(
            span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        ):
            yield

    def close(self) -> None:
        """End whatever is open still, as cancelled."""
        for key in list(self._open):
            self.end(key, {}, GeneratorExit())
