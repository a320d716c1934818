"""What kind of failure an error is, in a few words that metrics can be grouped by."""

from __future__ import annotations

import asyncio
import re

from mellea.core.errors import (
    AuthenticationError,
    GenerationCancelledError,
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

__all__ = ["classify_error", "error_type"]

_OURS: tuple[tuple[type[BaseException], str], ...] = (
    (RateLimitError, "rate_limit"),
    (QuotaError, "rate_limit"),
    (ProviderTimeoutError, "timeout"),
    (AuthenticationError, "auth"),
    (RefusalError, "content_policy"),
    (RequestRejectedError, "invalid_request"),
    (ModelNotFoundError, "invalid_request"),
    (UsageError, "invalid_request"),
    (ProviderConnectionError, "transport_error"),
    (ServerError, "server_error"),
    (MalformedResponseError, "server_error"),
)
_BUILTIN: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (ConnectionError, "transport_error"),
    (PermissionError, "auth"),
)
_NAMED = (
    (re.compile("ratelimit|toomanyrequests|quota", re.IGNORECASE), "rate_limit"),
    (re.compile("timeout|timedout", re.IGNORECASE), "timeout"),
    (re.compile("authenticat|permission|unauthori[sz]ed|forbidden", re.IGNORECASE), "auth"),
    (re.compile("content(policy|filter)|refusal|moderation", re.IGNORECASE), "content_policy"),
    (
        re.compile("badrequest|invalidrequest|notfound|unprocessable|conflict", re.IGNORECASE),
        "invalid_request",
    ),
    (re.compile("connect|transport|network|protocol|readerror|writeerror", re.IGNORECASE), "transport_error"),
    (re.compile("server|unavailable|overloaded|gateway", re.IGNORECASE), "server_error"),
)
_STATUS = {408: "timeout", 429: "rate_limit", 401: "auth", 403: "auth", 504: "timeout"}


def classify_error(error: BaseException) -> str:
    """Return what kind of failure an error is.

    One of ``rate_limit``, ``timeout``, ``auth``, ``content_policy``, ``invalid_request``,
    ``transport_error``, ``server_error``, ``unknown``. Errors of libraries are known by their status or name.
    """
    known = next((kind for types, kind in _OURS if isinstance(error, types)), None)
    status = getattr(error, "status_code", None) or getattr(error, "status", None)
    if known is None and isinstance(status, int) and 400 <= status < 600:
        known = _STATUS.get(status) or ("server_error" if status >= 500 else "invalid_request")
    if known is None:
        known = next((kind for types, kind in _BUILTIN if isinstance(error, types)), None)
    if known is None:
        name = type(error).__name__
        known = next((kind for pattern, kind in _NAMED if pattern.search(name)), "unknown")
    return known


def error_type(error: BaseException) -> str:
    """Return what spans and metrics call an error: ``cancelled``, or its class."""
    if isinstance(error, asyncio.CancelledError | GenerationCancelledError | GeneratorExit):
        return "cancelled"
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
