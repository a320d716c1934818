"""How an answer goes out: line by line or whole, and what a scripted fault does to it on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.servers.ollama import Fault

__all__ = ["Part", "now", "only", "send", "send_whole"]

Part = dict[str, Any]
NO_JSON = b'{"model": "smollm2", "crea\n'


def now() -> str:
    """Return the time as the protocol writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


async def only(part: Part) -> AsyncIterator[Part]:
    """Iterate over one part."""
    yield part


async def send(
    request: web.Request, body: Mapping[str, Any], parts: AsyncIterator[Part], fault: Fault | None
) -> web.StreamResponse:
    """Send the parts as the request wants them: streamed, unless it says no."""
    return await (send_whole if body.get("stream") is False else _send_lines)(request, parts, fault)


async def send_whole(
    request: web.Request, parts: AsyncIterator[Part], fault: Fault | None
) -> web.StreamResponse:
    """Send one JSON value: the last part, with the text of all."""
    whole: Part = {}
    async with aclosing(parts):
        async for part in parts:
            if fault:
                break
            _join(whole, part)
    if fault is None:
        return web.json_response(whole, status=500 if "error" in whole else 200)
    if fault.kind == "error":
        return web.json_response({"error": fault.message}, status=500)
    if fault.kind == "end":
        return web.json_response({**part, "done": False})
    if fault.kind == "malformed":
        return web.Response(body=NO_JSON, content_type="application/json")
    return await _break_off(request, fault)


async def _send_lines(
    request: web.Request, parts: AsyncIterator[Part], fault: Fault | None
) -> web.StreamResponse:
    # Headers go out with the first part, so that what fails before it still has a status of its own.
    answer, sent = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"}), 0
    async with aclosing(parts):
        async for part in parts:
            if not answer.prepared:
                await answer.prepare(request)
            if fault and sent == fault.after:
                await _disturb(request, answer, fault)
                return answer
            await answer.write(json.dumps(part).encode() + b"\n")
            sent += 1
    await answer.write_eof()
    return answer


async def _disturb(request: web.Request, answer: web.StreamResponse, fault: Fault) -> None:
    if fault.kind == "malformed":
        await answer.write(NO_JSON)
    elif fault.kind == "error":
        await answer.write(json.dumps({"error": fault.message}).encode() + b"\n")
    elif fault.kind != "end":
        await _break_off(request, fault)


async def _break_off(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Reset the connection, or hold it until the client gives up."""
    if fault.kind == "cut" and request.transport is not None:
        request.transport.abort()
        return web.Response()
    await asyncio.Event().wait()
    return web.Response()


def _join(whole: Part, part: Part) -> None:
    """Put a part on top of the ones before: its fields win, texts are joined."""
    before, texts = dict(whole), whole.get("message", {})
    whole.update(part)
    if "response" in part:
        whole["response"] = before.get("response", "") + part["response"]
    thinking = before.get("thinking", "") + part.get("thinking", "")
    if thinking:
        whole["thinking"] = thinking
    if message := part.get("message"):
        content = texts.get("content", "") + message["content"]
        thought = texts.get("thinking", "") + message.get("thinking", "")
        whole["message"] = {
            "role": "assistant",
            "content": content,
            **({"thinking": thought} if thought else {}),
        }
