"""A server that answers a chat in the way of OpenAI and of Ollama, and goes wrong in a share of the requests.

What a request runs into is drawn from its number, so that a run can be repeated.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from attrs import define, field

from tests.servers.in_thread import serving

__all__ = ["FAULTS", "ChaosServer", "running_chaos_server"]

PROMPT = 4_000
"""Tokens of each prompt, by the server's word: more than any that the tests send has words."""

_MODEL = {
    "name": "m:latest",
    "model": "m:latest",
    "size": 1,
    "digest": "0",
    "details": {},
    "capabilities": ["completion"],
}


@define
class ChaosServer:
    """A running server.

    Args:
        share: The part of the requests that go wrong.
        url: Its address.
        met: How often each fault was met; ``ok`` for an answer without one.
        delay: Seconds before an answer.
    """

    share: float = 0.1
    url: str = ""
    met: Counter[str] = field(factory=Counter)
    delay: float = 0.0
    number: int = 0

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.url.rpartition(":")[2])

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat."""
        body = await request.json()
        self.number += 1
        draw = random.Random(self.number)
        name = draw.choice(sorted(FAULTS)) if draw.random() < self.share else "ok"
        self.met[name] += 1
        await asyncio.sleep(self.delay)
        dialect = _ollama if request.path == "/api/chat" else _openai
        if name != "ok":
            return await FAULTS[name](request, body, dialect)
        return await _whole(request, body, dialect)


Dialect = Callable[[str, bool, bool], str]


def _openai(text: str, stream: bool, last: bool) -> str:
    finish = "stop" if last else None
    usage = {"prompt_tokens": PROMPT, "completion_tokens": 2, "total_tokens": PROMPT + 2}
    part = {"delta" if stream else "message": {"role": "assistant", "content": text}}
    answer = {
        "id": "c1",
        "object": "chat.completion.chunk" if stream else "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, **part}],
        **({"usage": usage} if last else {}),
    }
    if not stream:
        return json.dumps(answer)
    return f"data: {json.dumps(answer)}\n\n" + ("data: [DONE]\n\n" if last else "")


def _ollama(text: str, stream: bool, last: bool) -> str:
    answer = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": last}
    answer["message"] = {"role": "assistant", "content": text}
    if last:
        answer |= {"done_reason": "stop", "prompt_eval_count": PROMPT, "eval_count": 2}
    return json.dumps(answer) + "\n"


def _kind(dialect: Dialect, *, stream: bool) -> str:
    if not stream:
        return "application/json"
    return "application/x-ndjson" if dialect is _ollama else "text/event-stream"


async def _whole(request: web.Request, body: Mapping[str, Any], dialect: Dialect) -> web.StreamResponse:
    if not body.get("stream"):
        return web.Response(text=dialect("Hello there.", False, True), content_type="application/json")
    return await _pieces(request, [dialect("Hello ", True, False), dialect("there.", True, True)], dialect)


async def _pieces(
    request: web.Request, pieces: list[str], dialect: Dialect, *, cut: bool = False
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": _kind(dialect, stream=True)})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece.encode())
    if cut and request.transport is not None:
        request.transport.abort()
    return response


def _status(
    status: int, body: str, kind: str = "application/json", **headers: str
) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request, _: Any, __: Dialect) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=kind, headers=headers)

    return answer


async def _reset(request: web.Request, _: Any, __: Dialect) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, body: Mapping[str, Any], dialect: Dialect) -> web.StreamResponse:
    return await _pieces(request, [dialect("Hel", bool(body.get("stream")), False)[:-8]], dialect, cut=True)


async def _ends_early(request: web.Request, body: Mapping[str, Any], dialect: Dialect) -> web.StreamResponse:
    if not body.get("stream"):
        return web.Response(text="", content_type="application/json")
    return await _pieces(request, [dialect("Hel", True, False)], dialect)


async def _no_json(request: web.Request, body: Mapping[str, Any], dialect: Dialect) -> web.StreamResponse:
    text = "data: {not json\n\n" if dialect is _openai else "{not json\n"
    return await _pieces(request, [text], dialect)


async def _wrong_types(request: web.Request, body: Mapping[str, Any], dialect: Dialect) -> web.StreamResponse:
    right = dialect("x", bool(body.get("stream")), True)
    return web.Response(
        text=right.replace('"x"', "[7]"), content_type=_kind(dialect, stream=bool(body.get("stream")))
    )


async def _error_inside(
    request: web.Request, body: Mapping[str, Any], dialect: Dialect
) -> web.StreamResponse:
    error = (
        {"error": {"message": "the engine died", "code": 500}}
        if dialect is _openai
        else {"error": "the engine died"}
    )
    text = (
        f"data: {json.dumps(error)}\n\n"
        if dialect is _openai and body.get("stream")
        else json.dumps(error) + "\n"
    )
    return web.Response(text=text, content_type=_kind(dialect, stream=bool(body.get("stream"))))


FAULTS: Mapping[str, Callable[..., Awaitable[web.StreamResponse]]] = {
    "rate limit": _status(
        429, '{"error": {"message": "slow down", "type": "rate_limit_exceeded"}}', **{"retry-after": "0"}
    ),
    "server error": _status(500, '{"error": {"message": "oops"}}'),
    "unavailable": _status(503, "upstream connect error", "text/plain"),
    "bad request": _status(400, '{"error": {"message": "bad option"}}'),
    "unauthorised": _status(401, '{"error": {"message": "no such key"}}'),
    "page": _status(200, "<html><body>Please log in</body></html>", "text/html"),
    "gateway page": _status(502, "<html><body>Bad gateway</body></html>", "text/html"),
    "list": _status(200, "[1, 2]"),
    "null": _status(200, "null"),
    "empty object": _status(200, "{}"),
    "nothing": _status(200, ""),
    "reset": _reset,
    "cut": _cut,
    "ends early": _ends_early,
    "no json": _no_json,
    "wrong types": _wrong_types,
    "error inside": _error_inside,
}
"""What may go wrong, by name."""


@contextmanager
def running_chaos_server(share: float = 0.1) -> Iterator[ChaosServer]:
    """Run the server in a thread until the block ends."""
    server = ChaosServer(share)
    app = web.Application()

    async def tags(_: web.Request) -> web.Response:
        return web.json_response({"models": [_MODEL], "version": "0.12.0", "capabilities": ["completion"]})

    app.router.add_post("/api/chat", server.chat)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_route("*", "/{path:.*}", tags)
    with serving(app, "chaos-server", cancels_handlers=True) as server.url:
        yield server
