"""The logger ``mellea`` and its handlers, for programs that want them; the library itself adds none.

What the library says of its requests goes to ``mellea.requests``, whoever listens.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from types import MappingProxyType
from typing import Any, ClassVar

from mellea.core.errors import UsageError

__all__ = [
    "ContextFilter",
    "CustomFormatter",
    "JsonFormatter",
    "MelleaLogger",
    "OtelTraceFilter",
    "RESTHandler",
    "clear_log_context",
    "configure_logging",
    "log_context",
    "set_log_context",
]

_OF_A_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "trace_id", "span_id"}
_fields: ContextVar[Mapping[str, Any]] = ContextVar("mellea_log_fields", default=MappingProxyType({}))


def set_log_context(**fields: Any) -> None:
    """Put fields on every record of this task or thread, beside those that are there.

    Raises:
        UsageError: A log record has a field of that name itself; nothing is set.
    """
    _fields.set(_with(fields))


def clear_log_context() -> None:
    """Put no fields on the records of this task or thread any more."""
    _fields.set(MappingProxyType({}))


@contextlib.contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Put fields on every record of a block.

    Raises:
        UsageError: A log record has a field of that name itself.
    """
    before = _fields.set(_with(fields))
    try:
        yield
    finally:
        _fields.reset(before)


def _with(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if reserved := sorted(_OF_A_RECORD & fields.keys()):
        raise UsageError(
            f"{', '.join(reserved)}: reserved for the log record itself; nothing was set.",
            hint="Choose another name.",
        )
    return {**_fields.get(), **fields}


class ContextFilter(logging.Filter):
    """Lets every record pass, and puts the fields of the log context on it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the fields on a record."""
        for name, value in _fields.get().items():
            record.__dict__.setdefault(name, value)
        return True


class OtelTraceFilter(logging.Filter):
    """Lets every record pass, and puts the ids of OpenTelemetry's current span on it, if there is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the ids on a record."""
        trace = sys.modules.get("opentelemetry.trace")  # a program without it has no spans either
        span = trace.get_current_span().get_span_context() if trace is not None else None
        valid = span is not None and span.is_valid
        record.trace_id = format(span.trace_id, "032x") if valid and span is not None else None
        record.span_id = format(span.span_id, "016x") if valid and span is not None else None
        return True


class CustomFormatter(logging.Formatter):
    """Writes the time, the level and the message, in colour by level on a terminal."""

    _COLOURS: ClassVar = {
        logging.DEBUG: "38;5;240",
        logging.INFO: "34",
        logging.WARNING: "33",
        logging.ERROR: "31",
        logging.CRITICAL: "31;1",
    }

    def __init__(self, datefmt: str | None = "%H:%M:%S") -> None:
        super().__init__("=== %(asctime)s-%(levelname)s ====== %(message)s", datefmt)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = super().format(record)
        return f"\x1b[{self._COLOURS.get(record.levelno, '0')}m{line}\x1b[0m" if sys.stdout.isatty() else line


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object.

    Args:
        timestamp_format: As for ``time.strftime``.
        include_fields: The fields to write; all by default.
        exclude_fields: Fields to leave out.
        extra_fields: Fields to add; they win.
    """

    def __init__(
        self,
        timestamp_format: str = "%Y-%m-%dT%H:%M:%S",
        include_fields: Iterable[str] | None = None,
        exclude_fields: Iterable[str] | None = None,
        extra_fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.timestamp_format = timestamp_format
        self.include_fields = None if include_fields is None else frozenset(include_fields)
        self.exclude_fields = frozenset(exclude_fields or ())
        self.extra_fields = dict(extra_fields or {})

    def format_as_dict(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return what is written of a record."""
        known: dict[str, Any] = {
            "timestamp": time.strftime(self.timestamp_format, time.localtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "module": record.module,
            "function": record.funcName,
            "line_number": record.lineno,
            "process_id": record.process,
            "thread_id": record.thread,
        }
        if record.exc_info:
            known["exception"] = self.formatException(record.exc_info)
        for name in ("trace_id", "span_id"):
            if getattr(record, name, None) is not None:
                known[name] = getattr(record, name)
        known.update({name: value for name, value in vars(record).items() if name not in _OF_A_RECORD})
        kept = (
            known if self.include_fields is None else {k: known[k] for k in known if k in self.include_fields}
        )
        return {k: v for k, v in kept.items() if k not in self.exclude_fields} | self.extra_fields

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return json.dumps(self.format_as_dict(record), default=str, ensure_ascii=False)


class RESTHandler(logging.Handler):
    """Sends each record, as JSON, to an https address. One that cannot be sent is dropped.

    Args:
        api_url: The address.
        method: The method of the request.
        headers: Headers of the request.

    Raises:
        UsageError: The address is not https, and ``MELLEA_LOGS_INSECURE_HTTP_ALLOWED`` does not allow that.
    """

    def __init__(self, api_url: str, method: str = "POST", headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        insecure = any(
            _is_set(name, default=False)
            for name in ("MELLEA_LOGS_INSECURE_HTTP_ALLOWED", "MELLEA_LOGGER_INSECURE_HTTP_ALLOWED")
        )
        if not api_url.startswith(("https://", "http://") if insecure else "https://"):
            raise UsageError(f"Logs are sent to https addresses only, not to {api_url!r}.")
        self.api_url = api_url
        self.method = method
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        with contextlib.suppress(Exception):
            request = urllib.request.Request(  # noqa: S310  checked when it was made
                self.api_url, self.format(record).encode(), dict(self.headers), method=self.method
            )
            urllib.request.urlopen(request, timeout=2.0).close()  # noqa: S310


class MelleaLogger:
    """The logger ``mellea``, set up once, as the environment says (``MELLEA_LOGS_...``)."""

    CRITICAL: ClassVar = logging.CRITICAL
    FATAL: ClassVar = logging.FATAL
    ERROR: ClassVar = logging.ERROR
    WARNING: ClassVar = logging.WARNING
    WARN: ClassVar = logging.WARNING
    INFO: ClassVar = logging.INFO
    DEBUG: ClassVar = logging.DEBUG
    NOTSET: ClassVar = logging.NOTSET

    logger: ClassVar[logging.Logger | None] = None
    _lock: ClassVar = threading.Lock()

    @classmethod
    def get_logger(cls) -> logging.Logger:
        """Return the logger; the first call gives it its handlers and its level."""
        with cls._lock:
            if cls.logger is None:
                logger = logging.getLogger("mellea")
                configure_logging(logger)
                MelleaLogger.logger = logger
            return cls.logger or logging.getLogger("mellea")


def configure_logging(logger: logging.Logger) -> None:
    """Give a logger the level and the handlers that the environment asks for."""
    if logger.level == logging.NOTSET:
        level = logging.getLevelName(os.environ.get("MELLEA_LOGS_LEVEL", "INFO").strip().upper())
        logger.setLevel(level if isinstance(level, int) else logging.INFO)
    logger.addFilter(ContextFilter())
    logger.addFilter(OtelTraceFilter())
    if not _is_set("MELLEA_LOGS_ENABLED", default=True):
        return
    for handler in _handlers():
        handler.addFilter(ContextFilter())  # records of loggers below this one pass no filter of its own
        handler.addFilter(OtelTraceFilter())
        logger.addHandler(handler)


def _handlers() -> Iterator[logging.Handler]:
    as_json = _is_set("MELLEA_LOGS_JSON", default=False)
    if _is_set("MELLEA_LOGS_CONSOLE", default=True):
        console = logging.StreamHandler(sys.stdout)
        console.setFormatter(JsonFormatter() if as_json else CustomFormatter())
        yield console
    if file := os.environ.get("MELLEA_LOGS_FILE"):
        try:
            kept = RotatingFileHandler(
                file,
                maxBytes=_number("MELLEA_LOGS_FILE_MAX_BYTES", 10_485_760),
                backupCount=_number("MELLEA_LOGS_FILE_BACKUP_COUNT", 5),
            )
        except OSError as error:
            warnings.warn(f"The log file {file!r} cannot be opened: {error}", stacklevel=2)
        else:
            kept.setFormatter(JsonFormatter() if as_json else CustomFormatter())
            yield kept
    if address := os.environ.get("MELLEA_LOGS_WEBHOOK"):
        try:
            yield RESTHandler(address)
        except UsageError as error:
            warnings.warn(str(error), stacklevel=2)


def _is_set(variable: str, *, default: bool) -> bool:
    said = os.environ.get(variable, "").strip().lower()
    if said in {"1", "true", "yes", "on", "y", "t"}:
        return True
    return False if said in {"0", "false", "no", "off", "n", "f"} else default


def _number(variable: str, default: int) -> int:
    said = os.environ.get(variable, "").strip()
    return int(said) if said.isdecimal() else default
