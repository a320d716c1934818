"""An HTTP server that answers as a test says, well or badly. It runs in a thread, on a free loopback port."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from aiohttp import web
from attrs import define, field, frozen

from tests.servers.in_thread import serving

__all__ = ["FaultServer", "Reply", "completion", "delta", "running_fault_server"]


@frozen
class Reply:
    """One answer.

    Args:
        body: Text, or JSON values; a list of texts is sent piece by piece.
        status: HTTP status.
        headers: Extra headers.
        cut: Whether to drop the connection after the body, without a proper end.
        stall: Whether to send nothing more after the body until the client leaves.
    """

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = {}
    cut: bool = False
    stall: bool = False


@define
class FaultServer:
    """A running server: ``replies`` are given in turn, the last for ever; ``requests`` are the bodies."""

    url: str = ""
    replies: list[Reply] = field(factory=list)
    requests: list[Any] = field(factory=list)
    headers: list[Mapping[str, str]] = field(factory=list)
    queries: list[Mapping[str, str]] = field(factory=list)
    received: threading.Event = field(factory=threading.Event)
    client_left: threading.Event = field(factory=threading.Event)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def answers(self, *replies: Reply) -> None:
        """Answer from now on with these."""
        self.replies[:] = replies
        self.requests.clear()
        self.headers.clear()
        self.queries.clear()
        self.received.clear()
        self.client_left.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json() if request.can_read_body else None)
        self.headers.append(request.headers)
        self.queries.append(request.query)
        self.received.set()
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        pieces = _pieces(reply.body)
        if not (reply.cut or reply.stall or len(pieces) > 1):
            return web.Response(
                body=b"".join(pieces), status=reply.status, headers=dict(reply.headers) | _kind(reply.body)
            )
        response = web.StreamResponse(
            status=reply.status, headers={"content-type": "text/event-stream", **reply.headers}
        )
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if reply.stall:
            await self._until_client_leaves(request)
        if reply.cut and request.transport is not None:
            request.transport.abort()
        return response

    async def _until_client_leaves(self, request: web.Request) -> None:
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.01)
        self.client_left.set()


def _kind(body: Any) -> dict[str, str]:
    return {"content-type": "text/plain" if isinstance(body, str) else "application/json"}


def _pieces(body: Any) -> list[bytes]:
    if isinstance(body, str):
        return [body.encode()]
    if isinstance(body, list):
        return [piece.encode() for piece in body]
    return [json.dumps(body).encode()]


def completion(text: str, **extra: Any) -> dict[str, Any]:
    """Return a whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
        **extra,
    }


def delta(text: str | None = None, finish_reason: str | None = None) -> str:
    """Return one event of a streamed chat completion."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish_reason}
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(event)}\n\n"


Server = TypeVar("Server", bound=FaultServer)


@contextmanager
def running_fault_server(
    replies: Sequence[Reply] = (Reply(),), kind: type[Server] = FaultServer
) -> Iterator[Server]:
    """Run a server of this kind in a thread until the block ends."""
    server = kind(replies=list(replies))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    with serving(app, "fault-server") as server.url:
        yield server
