"""Errors as a client of OpenAI's reads them.

What the client did wrong is told in words. What failed here is told in general ones: the words of programs
and providers go to the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mellea.core.errors import (
    BudgetError,
    CapabilityError,
    ContextWindowError,
    MelleaError,
    ModelError,
    ProviderError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    RequestRejectedError,
    RequirementsNotMetError,
    UnsupportedOptionError,
)
from mellea.core.redaction import redacted
from mellea.serve.verdicts import verdicts_of

__all__ = ["STOPPING", "TIMED_OUT", "TOO_BUSY", "Failure", "RequestError", "failure_of"]

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


@frozen
class Failure:
    """What a client is told of a failure.

    Args:
        status: The HTTP status.
        message: What happened.
        code: A short word for it, for programs.
        param: The field of the request that is to blame.
        retry: Whether the same request may succeed later; the official clients then send it again.
        retry_after: Seconds after which.
        more: More fields of the error.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    retry: bool = False
    retry_after: float | None = None
    more: Mapping[str, Any] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The error in OpenAI's shape."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": {**error, **(self.more or {})}}

    @property
    def headers(self) -> dict[str, str]:
        """What tells the official clients whether to send the request again, and when."""
        told = {"x-should-retry": "true" if self.retry else "false"}
        if self.retry_after is not None:
            told["retry-after"] = f"{self.retry_after:g}"
        return told


class RequestError(Exception):
    """A request that cannot be carried out as it was sent.

    Args:
        message: What is wrong with it.
        status: The HTTP status.
        code: A short word for it.
        param: The field that is to blame.
        more: What else clients are told: headers that start with ``x-``, and fields of ``Failure``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = "invalid_value",
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(status, message, code, param, **more)


TOO_BUSY = Failure(
    429, "The server is busy. Try again in a moment.", "server_busy", retry=True, retry_after=1
)
STOPPING = Failure(503, "The server is stopping.", "server_stopping", retry=True, retry_after=5)
TIMED_OUT = Failure(504, "The request took longer than the server allows.", "timeout")


def failure_of(error: BaseException) -> Failure:
    """Return what a client is told of an error."""
    if isinstance(error, RequestError):
        return error.failure
    if isinstance(error, CapabilityError | UnsupportedOptionError | ContextWindowError):
        code = "context_length_exceeded" if isinstance(error, ContextWindowError) else "unsupported_parameter"
        return Failure(400, _words(error), code)
    if isinstance(error, RequirementsNotMetError):
        return Failure(500, error.message, "requirements_not_met", more=_attempts(error))
    if isinstance(error, ModelError):
        return Failure(500, _words(error), "invalid_output")
    if isinstance(error, BudgetError):
        return Failure(500, _words(error), "budget_spent")
    if isinstance(error, ProviderError):
        return _of_provider(error)
    return Failure(500, "The program failed.", "program_failed")


def _of_provider(error: ProviderError) -> Failure:
    if isinstance(error, RateLimitError):
        return Failure(
            429, "The model's provider is busy.", "rate_limit_exceeded", None, True, error.retry_after
        )
    if isinstance(error, QuotaError):
        return Failure(429, "What may be spent at the model's provider is spent.", "insufficient_quota")
    if isinstance(error, ProviderTimeoutError):
        return Failure(504, "The model's provider did not answer in time.", "provider_timeout", retry=True)
    if isinstance(error, RequestRejectedError):
        return Failure(400, "The model's provider refuses the request.", "provider_rejected")
    return Failure(502, "The model's provider failed.", "provider_failed", retry=type(error).retryable)


def _attempts(error: RequirementsNotMetError) -> Mapping[str, Any] | None:
    return None if error.result is None else {"mellea": verdicts_of(error.result)}


def _words(error: MelleaError) -> str:
    return redacted(error.message)
