"""The HTTP of an Ollama server: whole answers and streams of lines, with errors that are ours.

aiohttp carries it, which costs a third of what the HTTP library of the official client does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from mellea.core.addresses import mentioning_proxy
from mellea.core.errors import (
    ContextWindowError,
    MalformedResponseError,
    MelleaError,
    ProviderConnectionError,
    ProviderTimeoutError,
    StreamInterruptedError,
)
from mellea.core.provider_errors import error_for_status
from mellea.core.provider_words import error_of_answer
from mellea.core.redaction import redacted
from mellea_ollama.address import BACKEND, Access

__all__ = ["WireClient", "malformed_answer", "translate"]

CONNECT_SECONDS = 5.0
_HINTS: dict[type[MelleaError], str] = {
    ContextWindowError: "Raise ModelOption.CONTEXT_WINDOW, which is 4,096 on most servers whatever "
    "the model could read; or shorten the prompt, or bound the conversation with "
    "ChatContext(window_size=...)."
}
"""Remedies that only this server has."""


class WireClient:
    """One server, on the event loop that it is made on.

    Args:
        access: The server.
        model_id: The model of the requests, for the errors.
    """

    def __init__(self, access: Access, model_id: str) -> None:
        connect = CONNECT_SECONDS if access.timeout is None else min(CONNECT_SECONDS, access.timeout)
        self._access = access
        self._model_id = model_id
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"Content-Type": "application/json", "Accept": "application/json", **access.headers},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=access.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def whole(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a whole answer; without a body to send, that to a GET.

        Raises:
            ProviderError: The server did not answer, or with an error.
        """
        async with self._request(path, body) as response:
            await self._check(response)
            return self._object(await response.read())

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Iterate over the lines of a streamed answer.

        Raises:
            ProviderError: The server did not answer, with an error, or broke off.
        """
        async with self._request(path, body) as response:
            await self._check(response)
            begun: list[bytes] = []  # of a line that is not complete yet
            async for piece in response.content.iter_any():
                first, *others = piece.split(b"\n")
                begun.append(first)
                for following in others:
                    if line := b"".join(begun).strip():
                        yield self._object(line)
                    begun = [following]
            if line := b"".join(begun).strip():
                yield self._object(line)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _request(
        self, path: str, body: Mapping[str, Any] | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        access = self._access
        return self._session.request(
            "GET" if body is None else "POST",
            f"{access.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            proxy=access.proxy,
            allow_redirects=False,
        )

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status >= 300:
            raise self._error(response.status, await response.read(), response.headers)

    def _object(self, line: bytes) -> dict[str, Any]:
        """Return what a line or an answer says.

        Raises:
            MalformedResponseError: It is no JSON object.
            ProviderError: It is an error of the server's.
        """
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            said = redacted(line[:60].decode("utf-8", "replace"), self._access.secrets)
            raise malformed_answer(f"{said!r} is no JSON ({error})", self._model_id) from error
        if not isinstance(value, dict):
            raise malformed_answer(f"{redacted(str(value)[:60])!r} is no JSON object", self._model_id)
        if (told := error_of_answer(value)) is not None:
            raise self._error(None, told, {})
        return value

    def _error(self, status: int | None, body: Any, headers: Mapping[str, str]) -> MelleaError:
        access = self._access
        error = error_for_status(
            status,
            body,
            headers,
            backend=BACKEND,
            model_id=self._model_id,
            hints=_HINTS,
            secrets=access.secrets,
        )
        return mentioning_proxy(error, access.url)


def malformed_answer(what: str, model_id: str) -> MalformedResponseError:
    """Return the error for an answer that does not follow the protocol."""
    return MalformedResponseError(
        f"Ollama sent an answer that does not follow its protocol: {what}.",
        hint="Check that the base URL leads to an Ollama server, or to a proxy that leaves its answers "
        "as they are.",
        backend=BACKEND,
        model_id=model_id,
    )


def translate(error: Exception, *, host: str, model_id: str) -> MelleaError | None:
    """Return our error for one of the HTTP library, None if it is unknown."""
    ours = _translated(error, host, model_id)
    return None if ours is None else mentioning_proxy(ours, host)


def _translated(error: Exception, host: str, model_id: str) -> MelleaError | None:
    where: dict[str, Any] = {"backend": BACKEND, "model_id": model_id}
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return ProviderConnectionError(
            f"No Ollama server answers at {host}.",
            hint="Start it with: ollama serve (or pass base_url=..., or set OLLAMA_HOST). "
            'To run without a server: start_session(backend="hf"), after pip install "mellea-core[hf]".',
            **where,
        )
    if isinstance(error, aiohttp.ServerTimeoutError):
        hint = "Raise timeout=... of the backend, or look whether the server still works."
        return ProviderTimeoutError(f"Ollama at {host} did not answer in time.", hint=hint, **where)
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
        what = f"The connection to Ollama at {host} broke before the answer was complete: {error}."
        return StreamInterruptedError(what, hint="Try again; if it lasts, look at the server's log.", **where)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ProviderConnectionError(
            f"There is no way to Ollama at {host}: the proxy answers {error.status}.",
            hint="Look at the proxy.",
            **where,
        )
    if isinstance(error, aiohttp.ClientError | ValueError):
        return malformed_answer(str(error) or type(error).__name__, model_id)
    return None
