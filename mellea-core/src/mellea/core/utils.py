"""The logging names under the path that programs of the 0.8 line import them from."""

import warnings
from typing import Any

from mellea.core.logs import (
    ContextFilter,
    CustomFormatter,
    JsonFormatter,
    MelleaLogger,
    OtelTraceFilter,
    RESTHandler,
    clear_log_context,
    configure_logging,
    log_context,
    set_log_context,
)

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


def __getattr__(name: str) -> Any:
    if name != "FancyLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("FancyLogger is called MelleaLogger now.", DeprecationWarning, stacklevel=2)
    return MelleaLogger
