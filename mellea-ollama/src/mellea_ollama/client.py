"""The official client, with two additions.

Requests with fields that its methods do not offer, and errors that are ours.
"""

from __future__ import annotations

import functools
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import httpx
from ollama import AsyncClient, ResponseError

from mellea.core.errors import (
    ContextWindowError,
    MalformedResponseError,
    MelleaError,
    ProviderConnectionError,
    ProviderTimeoutError,
    StreamInterruptedError,
)
from mellea.core.provider_errors import error_for_status

__all__ = ["BACKEND", "WireClient", "http_settings", "malformed", "translate", "unreachable"]

BACKEND = "ollama"
CONNECT_SECONDS = 5.0
_HINTS: dict[type[MelleaError], str] = {
    ContextWindowError: "Raise ModelOption.CONTEXT_WINDOW, which is 4,096 on most servers whatever "
    "the model could read; or shorten the prompt, or bound the conversation with "
    "ChatContext(window_size=...)."
}
"""Remedies that only this server has."""
T = TypeVar("T")


def http_settings(timeout: float | None) -> dict[str, Any]:
    """Return what every client is made with.

    Args:
        timeout: The longest wait between two bytes, in seconds. It is shorter to connect, and none for a
            place in the pool.
    """
    connect = CONNECT_SECONDS if timeout is None else min(CONNECT_SECONDS, timeout)
    return {"timeout": httpx.Timeout(timeout, connect=connect, pool=None), "verify": _certificates()}


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, which take many milliseconds to load: once, not for every client."""
    return httpx.create_ssl_context()


class WireClient(AsyncClient):
    """The official asynchronous client, for request bodies that are already complete."""

    async def parts(self, kind: type[T], path: str, body: Mapping[str, Any]) -> AsyncGenerator[T, None]:
        """Post a body and iterate over the parts of the answer.

        One, or those of a stream if the body asks for it.

        Raises:
            MalformedResponseError: A part does not follow the protocol.
        """
        stream = bool(body["stream"])
        try:
            answer: Any = await self._request(kind, "POST", path, json=body, stream=stream)
            if not stream:
                yield answer
                return
            async with aclosing(answer) as parts:
                async for part in parts:
                    yield part
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            # What the client raises when a line is no JSON, is no object, or lacks a field.
            raise malformed(error, str(body["model"])) from error


def malformed(error: Exception, model_id: str) -> MalformedResponseError:
    """Return the error for an answer that does not follow the protocol."""
    what = f"it is no JSON ({error})" if isinstance(error, json.JSONDecodeError) else str(error)
    return MalformedResponseError(
        f"Ollama sent an answer that does not follow its protocol: {what}.",
        hint="Check that the base URL leads to an Ollama server, or to a proxy that leaves its answers "
        "as they are.",
        backend=BACKEND,
        model_id=model_id,
    )


def unreachable(host: str, model_id: str) -> ProviderConnectionError:
    """Return the error for a server that does not answer."""
    return ProviderConnectionError(
        f"No Ollama server answers at {host}.",
        hint="Start it with: ollama serve (or pass base_url=..., or set OLLAMA_HOST). "
        'To run without a server: start_session(backend="hf"), after pip install "mellea-core[hf]".',
        backend=BACKEND,
        model_id=model_id,
    )


def translate(error: Exception, *, host: str, model_id: str) -> MelleaError | None:
    """Return our error for one of the client or of the HTTP library below it, None if it is unknown."""
    if isinstance(error, ResponseError):
        return _answered(error, model_id)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) or type(error) is ConnectionError:
        return unreachable(host, model_id)
    where: dict[str, Any] = {"backend": BACKEND, "model_id": model_id}
    if isinstance(error, httpx.TimeoutException):
        hint = "Raise timeout=... of the backend, or look whether the server still works."
        return ProviderTimeoutError(f"Ollama at {host} did not answer in time.", hint=hint, **where)
    if isinstance(error, httpx.TransportError):
        what = f"The connection to Ollama at {host} broke before the answer was complete: {error}."
        return StreamInterruptedError(what, hint="Try again; if it lasts, look at the server's log.", **where)
    return None


def _answered(error: ResponseError, model_id: str) -> MelleaError:
    """Return our error for one that the server reports; its headers are left in the error's context only."""
    origin = error.__context__
    headers = origin.response.headers if isinstance(origin, httpx.HTTPStatusError) else None
    status = error.status_code if error.status_code > 0 else None
    return error_for_status(status, error.error, headers, backend=BACKEND, model_id=model_id, hints=_HINTS)
