"""A server that answers with what a real Ollama server was seen to answer, as a test says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from attrs import define, field

from tests.servers.faults import FaultServer, Reply

__all__ = ["BUSY", "PlayedServer", "line", "stream", "whole"]

BUSY = Reply({"error": "server busy, please try again.  maximum pending requests exceeded"}, 503)


@define
class PlayedServer(FaultServer):
    """A running server.

    Args:
        models: What ``/api/tags`` lists: capabilities by name; None where it does not tell them.
    """

    models: dict[str, list[str] | None] = field(factory=lambda: {"smollm2:latest": ["completion"]})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/api/tags":
            return await FaultServer.handle(self, request)
        self.headers.append(request.headers)
        listed = [
            {"name": name, "model": name, "size": 97_901_056, **({"capabilities": can} if can else {})}
            for name, can in self.models.items()
        ]
        return web.json_response({"models": listed})


def line(text: str = "", *, done: bool = False, thinking: str = "", **more: Any) -> dict[str, Any]:
    """Return a line of a conversation."""
    said = {"role": "assistant", "content": text, **({"thinking": thinking} if thinking else {})}
    counts = {"prompt_eval_count": 13, "eval_count": 8, "done_reason": "stop"} if done else {}
    return {"model": "smollm2", "message": said, "done": done, **counts, **more}


def whole(text: str = "", **more: Any) -> Reply:
    """Return a whole answer."""
    return Reply(line(text, **{"done": True, **more}))


def stream(*lines: Mapping[str, Any]) -> Reply:
    """Return a streamed answer."""
    return Reply([f"{json.dumps(one)}\n" for one in lines])
