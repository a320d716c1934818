"""What the ``openai`` SDK raises, as our errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http.client import TOO_MANY_REQUESTS
from typing import Any

import aiohttp
import openai

from mellea.core.chat_completions import malformed_response
from mellea.core.errors import MelleaError, ProviderConnectionError, ProviderTimeoutError
from mellea.core.provider_errors import error_for_status
from mellea.core.redaction import redacted

__all__ = ["ask_again_where_it_helps", "translate"]


def translate(
    error: Exception, *, address: str, model_id: str, secrets: Iterable[str | None]
) -> MelleaError | None:
    """Return our error for one of the SDK's, or None if it comes from elsewhere.

    Args:
        error: What was raised.
        address: The server's address, without secrets.
        model_id: The model asked.
        secrets: Keys that servers may repeat.
    """
    where: dict[str, Any] = {"backend": "openai", "model_id": model_id}
    if isinstance(error, openai.APIStatusError):
        response = error.response
        body = response.content if response.is_closed and response.content else error.body
        return error_for_status(error.status_code, body, response.headers, secrets=secrets, **where)
    if isinstance(error, openai.APITimeoutError) and not _lost_connection(error):
        return ProviderTimeoutError(
            f"{address} did not answer in time.", hint="Pass timeout=... (seconds) to wait longer.", **where
        )
    if isinstance(error, openai.APIConnectionError):
        return ProviderConnectionError(
            f"No connection to {address}: {redacted(str(error.__cause__ or error), secrets)}.",
            hint="Check that the server runs and that base_url is right.",
            **where,
        )
    if isinstance(error, json.JSONDecodeError):
        return malformed_response(redacted(error.doc, secrets), **where)
    if isinstance(error, RecursionError) or type(error) is ValueError:  # JSON too deep, a number too long
        return malformed_response(redacted(str(error), secrets), **where)
    if isinstance(error, openai.APIError):  # within a stream
        return error_for_status(None, error.body or error.message, secrets=secrets, **where)
    return None


async def ask_again_where_it_helps(response: Any) -> None:
    """Let the SDK not ask again where the body of a refusal says that it cannot help.

    A hook for the responses of its HTTP client. The SDK goes by the status alone, and a quota that is used up
    has that of a rate limit.
    """
    if response.status_code != TOO_MANY_REQUESTS:
        return
    body = await response.aread()
    if not error_for_status(
        response.status_code, body, response.headers, backend="openai", model_id=""
    ).retryable:
        response.headers["x-should-retry"] = "false"


def _lost_connection(error: BaseException | None) -> bool:
    """Tell whether a broken connection is behind an error: aiohttp's transport calls it a time-out."""
    while error is not None:
        if isinstance(error, aiohttp.ClientConnectionError) and not isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False
