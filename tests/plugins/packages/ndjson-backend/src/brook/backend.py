"""A backend for Brook, a made-up provider that answers in lines of JSON."""

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from brook.plugin import MANIFEST
from mellea.core import (
    AuthenticationError,
    Backend,
    Capability,
    ChatFormatter,
    ChatRequest,
    Chunk,
    Completion,
    CompletionRequest,
    MalformedResponseError,
    MelleaError,
    ModelIdentifier,
    ModelOption,
    OptionTable,
    ProviderConnectionError,
    ProviderTimeoutError,
    Usage,
    stream_interrupted,
)
from mellea.core.event_loop import LoopLocal
from mellea.core.provider_errors import error_for_status
from mellea.core.redaction import redacted

LONGEST_LINE = 2**24
"""Bytes that one line of an answer may have."""


class BrookBackend(Backend):
    """A model of Brook's. Making one opens no connection.

    Args:
        model_id: The model, as Brook names it.
        formatter: Turns components into messages; by default one with templates.
        model_options: Options of every call.
        strict_options: Whether an option that cannot be honoured is an error.
        base_url: Address of the server. By default ``BROOK_URL``, else Brook's own.
        api_key: The key. By default ``BROOK_API_KEY``.
        timeout: Seconds to wait for a connection.

    Raises:
        AuthenticationError: There is no key.
    """

    provider = "brook"
    capabilities = MANIFEST.capabilities
    options = OptionTable(
        names={
            ModelOption.MAX_NEW_TOKENS: "limit",
            ModelOption.TEMPERATURE: "temperature",
            ModelOption.SEED: "seed",
            ModelOption.STOP_SEQUENCES: "until",
            ModelOption.THINKING: lambda value: {"think": {"on": bool(value)}},
        },
        spellings={"limit": ModelOption.MAX_NEW_TOKENS},
        native=frozenset({"top_p", "voice"}),
    )

    def __init__(
        self,
        model_id: str | ModelIdentifier = "brook-1",
        formatter: ChatFormatter | None = None,
        *,
        model_options: Mapping[str, Any] | None = None,
        strict_options: bool = False,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        super().__init__(
            model_id,
            formatter,
            model_options=model_options,
            strict_options=strict_options,
        )
        address = base_url or os.environ.get("BROOK_URL") or "https://brook.example"
        self.base_url = address.rstrip("/")
        self._key = api_key or os.environ.get("BROOK_API_KEY")
        if not self._key:
            raise AuthenticationError(
                "There is no key for Brook.",
                hint="Set BROOK_API_KEY, or pass api_key=...",
                backend=self.provider,
                model_id=self.model_id,
            )
        self._timeout = timeout
        self._known = False
        self._clients = LoopLocal(self._open_client, _close_client)

    def _open_client(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers={"authorization": f"Bearer {self._key}"},
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeout),
            read_bufsize=LONGEST_LINE,
        )

    async def ready(self) -> None:
        """Ask, once, what the model can do."""
        if self._known:
            return
        async with self._asked("GET", f"/models/{self.model_id}") as response:
            told = _json(await response.read(), self)
        if not told.get("schemas"):
            self.capabilities = self.capabilities - {Capability.JSON_SCHEMA}
        self._known = True

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Continue a conversation: one chunk for each line of the answer."""
        messages = [
            {"role": each.role, "text": each.content} for each in request.messages
        ]
        body = {"model": request.model_id, "messages": messages, **request.options}
        if request.schema is not None:
            body["schema"] = dict(request.schema.json_schema)
        path = "/chat" if request.stream else "/chat?whole=1"
        ended = False
        async with self._asked("POST", path, body) as response:
            async for line in response.content:
                chunk = self._chunk(line)
                ended = ended or chunk.finish_reason is not None
                yield chunk
        if not ended:
            raise stream_interrupted(backend=self.provider, model_id=self.model_id)

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts, in the order of the prompts."""
        texts = list(request.prompts)
        body = {"model": request.model_id, "texts": texts, **request.options}
        if request.schema is not None:
            body["schema"] = dict(request.schema.json_schema)
        async with self._asked("POST", "/complete", body) as response:
            lines = (await response.read()).splitlines()
        chunks = [self._chunk(line) for line in lines]
        return [
            Completion(each.text, each.finish_reason, each.usage) for each in chunks
        ]

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give the answer, if it is one."""
        client = await self._clients.get()
        async with client.request(
            method, f"{self.base_url}{path}", json=body, allow_redirects=False
        ) as response:
            if response.status != 200:
                said = await response.read()
                raise self._error(response.status, said, response.headers)
            yield response

    def _chunk(self, line: bytes) -> Chunk:
        said = _json(line, self)
        if "error" in said:  # the answer began well, and then something happened
            raise self._error(None, said)
        try:
            tokens = said.get("tokens")
            return Chunk(
                text=said.get("text", ""),
                thinking=said.get("thought", ""),
                finish_reason=said.get("end"),
                usage=Usage(tokens["read"], tokens["written"]) if tokens else None,
                raw=said,
            )
        except (KeyError, TypeError) as error:
            raise _malformed(line, self) from error

    def _error(
        self, status: int | None, said: Any, headers: Mapping[str, str] | None = None
    ) -> MelleaError:
        return error_for_status(
            status,
            said,
            headers,
            backend=self.provider,
            model_id=self.model_id,
            secrets=[self._key],
        )

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of the client's."""
        address = redacted(self.base_url)
        where: dict[str, Any] = {"backend": self.provider, "model_id": self.model_id}
        if isinstance(
            error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError
        ):
            return stream_interrupted(**where)
        if isinstance(error, TimeoutError):
            return ProviderTimeoutError(
                f"{address} did not answer in time.", hint="Raise timeout=...", **where
            )
        if isinstance(error, aiohttp.ClientError):
            return ProviderConnectionError(
                f"No connection to {address}: {error}.",
                hint="Check that the server runs, and base_url.",
                **where,
            )
        return None

    async def aclose(self) -> None:
        """Close the clients. A later call opens new ones."""
        await self._clients.aclose()


async def _close_client(client: aiohttp.ClientSession) -> None:
    await client.close()


def _json(text: bytes, backend: BrookBackend) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise _malformed(text, backend) from error
    if not isinstance(said, dict):
        raise _malformed(text, backend)
    return said


def _malformed(text: bytes, backend: BrookBackend) -> MalformedResponseError:
    shown = redacted(text[:200].decode(errors="replace"))
    return MalformedResponseError(
        f"Brook sent what is no line of an answer: {shown!r}.",
        hint="Check that base_url leads to Brook.",
        backend=backend.provider,
        model_id=backend.model_id,
    )
