"""What the ``openai`` SDK raises, as our errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import aiohttp
import openai

from mellea.core.chat_completions import malformed_response
from mellea.core.errors import MelleaError, ProviderConnectionError, ProviderTimeoutError
from mellea.core.provider_errors import error_for_status
from mellea.core.redaction import redacted

__all__ = ["translate"]


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


def _lost_connection(error: BaseException | None) -> bool:
    """Tell whether a broken connection is behind an error: aiohttp's transport calls it a time-out."""
    while error is not None:
        if isinstance(error, aiohttp.ClientConnectionError) and not isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False
