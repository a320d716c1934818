"""What LiteLLM raises, as our errors.

LiteLLM's own classes and statuses depend on the provider (a refused connection is an internal server error, a
429 of Ollama a connection error), so the exceptions chained below them count first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from mellea.core.errors import (
    AuthenticationError,
    MalformedResponseError,
    MelleaError,
    ProviderConnectionError,
    ProviderTimeoutError,
    UnsupportedOptionError,
    stream_interrupted,
)
from mellea.core.provider_errors import error_for_status
from mellea.core.redaction import redacted

__all__ = ["translate"]

_FRAME = re.compile(r"^(?:litellm\.\w+:\s*|\w+Error:\s*|\w+Exception - )+")
_TAIL = re.compile(r"\s*(?:Traceback \(most recent|Original exception:|LiteLLM Retried:|\n).*", re.DOTALL)
_NO_KEY = re.compile(r"credentials|api[ _]?key", re.IGNORECASE)
_UNREADABLE = {
    "JSONDecodeError",
    "ValidationError",
    "AssertionError",
    "KeyError",
    "IndexError",
    "TypeError",
    "AttributeError",
    "RecursionError",
    "UnicodeDecodeError",
    "ValueError",
}
"""What LiteLLM stumbles over when an answer is not what it expects."""
_LOST = {"TransportError", "ClientConnectionError", "ConnectionError"}


def translate(
    error: Exception, *, model_id: str, key: str | None, secrets: tuple[str, ...] = ()
) -> MelleaError | None:
    """Return our error for one of LiteLLM's, or None if it comes from elsewhere.

    Args:
        error: What was raised.
        model_id: The model asked.
        key: The provider's key, which some providers repeat in their messages.
        secrets: What else may not be shown.
    """
    chain = list(_chain(error))
    kinds = {cls.__name__ for link in chain for cls in type(link).__mro__}
    if not kinds & {"OpenAIError", "HTTPError", *_LOST}:
        return None
    known = (key, *secrets)
    said = redacted(_words(error), known)
    where: dict[str, Any] = {"backend": "litellm", "model_id": model_id}
    if "UnsupportedParamsError" in kinds:
        return UnsupportedOptionError(
            f"{said.rstrip('.')}.", hint="Leave the option out, or choose another model.", **where
        )
    if kinds & {"TimeoutException", "APITimeoutError"}:
        return ProviderTimeoutError(
            f"The provider of {model_id!r} did not answer in time.",
            hint="Pass timeout=... (seconds) to wait longer.",
            **where,
        )
    answer = next((link.response for link in reversed(chain) if _is_answer(link)), None)
    if answer is not None:
        body = answer.content if answer.is_closed and answer.content else said
        return error_for_status(answer.status_code, body, answer.headers, secrets=known, **where)
    if kinds & _LOST:
        if "MidStreamFallbackError" in kinds:
            return stream_interrupted(**where)
        hint = "Check that the server runs and that base_url is right."
        return ProviderConnectionError(
            f"No connection to the provider of {model_id!r}: {said.rstrip('.')}.", hint=hint, **where
        )
    told = next((link.body for link in reversed(chain) if _is_event(link)), None)
    if told is not None:
        return error_for_status(None, told, secrets=known, **where)
    if (
        type(chain[-1]).__name__ in _UNREADABLE
        or "JSONDecodeError" in kinds
        or "nvalid response" in said
        or getattr(error, "status_code", None) == HTTPStatus.OK
    ):
        hint = "Check that base_url leads to the provider that the model id names."
        return MalformedResponseError(
            f"The provider of {model_id!r} sent no valid answer: {said.rstrip('.')}.", hint=hint, **where
        )
    return _by_status(error, said, known, where)


def _is_answer(link: Any) -> bool:
    """Tell whether an exception holds what the provider answered; those of LiteLLM's hold what it made up."""
    return type(link).__name__ == "HTTPStatusError" or (
        type(link).__module__.partition(".")[0] == "openai" and hasattr(link, "status_code")
    )


def _is_event(link: Any) -> bool:
    """Tell whether an exception holds the error that a provider sent within a stream."""
    return (
        type(link).__name__ == "APIError"
        and type(link).__module__.partition(".")[0] == "openai"
        and bool(link.body)
    )


def _by_status(
    error: Exception, said: str, known: tuple[str | None, ...], where: dict[str, Any]
) -> MelleaError:
    status = getattr(error, "status_code", None)
    if not known[0] and _NO_KEY.search(said):
        import litellm  # noqa: PLC0415  it raised the error

        names = " or ".join(litellm.validate_environment(where["model_id"])["missing_keys"])
        hint = f"Pass api_key=...{f', or set {names}' if names else ''}."
        return AuthenticationError(
            f"There is no key for {where['model_id']!r}.", hint=hint, status=status, **where
        )
    headers = getattr(error, "litellm_response_headers", None)
    return error_for_status(status, said, headers, secrets=known, **where)


def _chain(error: BaseException | None) -> Iterator[Any]:
    """Iterate from an exception down to what caused it first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _words(error: Exception) -> str:
    """Return the provider's own words, without LiteLLM's frame around them."""
    return _TAIL.sub("", _FRAME.sub("", str(getattr(error, "message", error)))) or type(error).__name__
