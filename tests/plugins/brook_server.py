"""Brook, the made-up provider of the page for plugin authors: a real server that repeats what it is told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from attrs import define, field

from tests.servers.in_thread import serving

__all__ = ["KEY", "BrookServer", "running_brook"]

KEY = "brook-key-1234"


@define
class BrookServer:
    """A running server.

    A prompt that is one of the words below has it do what the word says; any other is repeated.
    """

    url: str = ""
    requests: list[dict[str, Any]] = field(factory=list)
    answering: threading.Event = field(factory=threading.Event)
    client_left: threading.Event = field(factory=threading.Event)

    async def model(self, request: web.Request) -> web.StreamResponse:
        if (refusal := _refusal(request)) is not None:
            return refusal
        name = request.match_info["name"]
        if not name.startswith("brook-"):
            return _error(404, "model_not_found", f"There is no model {name}.")
        return web.json_response({"name": name, "schemas": name != "brook-plain"})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if (refusal := _refusal(request)) is not None:
            return refusal
        body = await request.json()
        self.requests.append(body)
        prompt = body["messages"][-1]["text"]
        if prompt == "busy":
            return _error(429, "too_many_requests", "Too many requests.", {"retry-after": "7"})
        if prompt == "elsewhere":
            return web.Response(status=307, headers={"location": "http://192.0.2.1/chat"})
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        if prompt == "page":
            await response.write(b"<html>\n")
            return response
        words = ['{"name": "Ada"}'] if "schema" in body else prompt.split()
        said = [*words[: body.get("limit")]]
        lines = [{"thought": "Hm."}] if body.get("think", {}).get("on") else []
        lines += [{"text": word if place == 0 else f" {word}"} for place, word in enumerate(said)]
        end = {"end": "stop" if said == words else "length"}
        lines.append({**end, "tokens": {"read": len(words), "written": len(said)}})
        if "whole" in request.query:
            merged: dict[str, Any] = {**lines[-1], "text": "".join(line.get("text", "") for line in lines)}
            lines = [merged | ({"thought": "Hm."} if "thought" in lines[0] else {})]
        if prompt == "fails within":
            lines = [{"text": "Well"}, {"error": {"code": "overloaded", "message": "I am overloaded."}}]
        for number, line in enumerate(lines):
            await response.write(json.dumps(line).encode() + b"\n")
            self.answering.set()
            if prompt == "ends early":
                return response
            if prompt == "hangs up" and request.transport is not None:
                request.transport.abort()
            if prompt == "stalls" and number == 0:
                await self._until_client_leaves(request)
        return response

    async def complete(self, request: web.Request) -> web.StreamResponse:
        if (refusal := _refusal(request)) is not None:
            return refusal
        body = await request.json()
        self.requests.append(body)
        tokens = {"read": 1, "written": 1}
        lines = [
            json.dumps({"text": text.upper(), "end": "stop", "tokens": tokens}) for text in body["texts"]
        ]
        return web.Response(text="\n".join(lines))

    async def _until_client_leaves(self, request: web.Request) -> None:
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.01)
        self.client_left.set()


def _refusal(request: web.Request) -> web.Response | None:
    if request.headers.get("authorization") == f"Bearer {KEY}":
        return None
    shown = request.headers.get("authorization", "").removeprefix("Bearer ")
    return _error(401, "invalid_api_key", f"The key {shown} is not known.")


def _error(status: int, code: str, words: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"code": code, "message": words}}, status=status, headers=headers)


@contextmanager
def running_brook() -> Iterator[BrookServer]:
    """Run the server in a thread until the block ends."""
    server = BrookServer()
    app = web.Application()
    app.router.add_get("/models/{name}", server.model)
    app.router.add_post("/chat", server.chat)
    app.router.add_post("/complete", server.complete)
    with serving(app, "brook-server") as server.url:
        yield server
