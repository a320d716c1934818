"""Sending: a whole answer, or a stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from mellea.serve.failures import Failure, RequestError
from mellea.serve.limits import Limits

__all__ = ["GoneError", "Receive", "Reply", "Scope", "Send", "read_body"]

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"

_LAST_WORD_SECONDS = 1.0
"""How long a client that reads slowly gets for the error that ends its stream."""


class GoneError(Exception):
    """The client has gone away."""


async def read_body(receive: Receive, declared: str | None, limits: Limits) -> bytes:
    """Return the body of a request.

    Args:
        receive: Gives its pieces.
        declared: Its size, as the client says.
        limits: How large it may be, and how long it may take.

    Raises:
        RequestError: It is too large, or does not come in time.
        GoneError: The client went away.
    """
    most = limits.body_bytes
    too_large = RequestError(f"The body has more than {most} bytes.", status=413, code="body_too_large")
    if declared is not None and declared.isdigit() and int(declared[:20]) > most:
        raise too_large
    pieces, size = [], 0
    try:
        async with asyncio.timeout(limits.receive_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > most:
                    raise too_large
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError as error:
        raise RequestError("The body did not come in time.", status=408, code="timeout") from error


class Reply:
    """What is sent for one request.

    Args:
        send: Takes the messages.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self._streams = self.ended = False

    async def whole(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        """Send JSON."""
        await self.plain(status, json.dumps(body).encode(), "application/json", headers)

    async def plain(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a body of some kind."""
        told = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
        await self._start(status, told)
        self.ended = True
        await self._send({"type": "http.response.body", "body": body})

    async def event(self, data: Mapping[str, Any]) -> None:
        """Send an event of a stream, which begins with the first one."""
        if self.status is None:
            self._streams = True
            await self._start(200, {"content-type": "text/event-stream", "cache-control": "no-cache"})
        await self._body(f"data: {json.dumps(data)}\n\n".encode(), more=True)

    async def end(self) -> None:
        """End a stream."""
        self.ended = True
        await self._body(b"data: [DONE]\n\n", more=False)

    async def fail(self, failure: Failure) -> bool:
        """Tell of a failure: with its status, or as the last event of a stream that has begun.

        Returns:
            Whether the client was told; one that does not read is not.
        """
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                if self.status is None:
                    await self.whole(failure.status, failure.body, failure.headers)
                elif self._streams and not self.ended:
                    self.ended = True
                    await self._body(f"data: {json.dumps(failure.body)}\n\n".encode(), more=False)
                else:
                    return False
                return True
        return False

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        head = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": head})

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
