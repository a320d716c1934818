"""Log records to OpenTelemetry."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import Any

from mellea.telemetry.providers import resource
from mellea.telemetry.switches import INSTALL, is_switched_on

__all__ = ["OTLPHandler", "get_otlp_log_handler"]

_OF_A_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "trace_id", "span_id"}
_SEVERITIES = ((logging.CRITICAL, 21), (logging.ERROR, 17), (logging.WARNING, 13), (logging.INFO, 9))


class OTLPHandler(logging.Handler):
    """Hands log records to a provider of OpenTelemetry, with the span that they belong to.

    Args:
        provider: The provider.
    """

    def __init__(self, provider: Any) -> None:
        super().__init__()
        self._logger = provider.get_logger("mellea")
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a record."""
        try:
            from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC0415  an extra

            severity = next((number for level, number in _SEVERITIES if record.levelno >= level), 5)
            told = {
                key: value
                for key, value in vars(record).items()
                if key not in _OF_A_RECORD and isinstance(value, str | bool | int | float)
            }
            self._logger.emit(
                LogRecord(
                    timestamp=int(record.created * 1e9),
                    severity_text=record.levelname,
                    severity_number=SeverityNumber(severity),
                    body=record.getMessage(),
                    attributes={**told, "code.function.name": record.funcName or ""},
                    exception=record.exc_info[1] if record.exc_info else None,
                )
            )
        except Exception:  # noqa: BLE001  logging fails no program
            self.handleError(record)

    def flush(self) -> None:
        """Send what is kept back."""
        self._provider.force_flush()


@functools.cache
def get_otlp_log_handler() -> logging.Handler | None:
    """Return a handler that sends log records by OTLP; None unless ``MELLEA_LOGS_OTLP`` says yes.

    Any logger takes it: ``logger.addHandler(get_otlp_log_handler())``.
    """
    if not is_switched_on("MELLEA_LOGS_OTLP"):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415  an extra
        from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415
    except ImportError:
        warnings.warn(f"MELLEA_LOGS_OTLP needs OpenTelemetry. {INSTALL}", stacklevel=2)
        return None
    provider = LoggerProvider(resource=resource())
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return OTLPHandler(provider)
