"""How an answer goes out: line by line or whole, and what a scripted fault does to it on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from aiohttp import web
from attrs import frozen

from tests.servers.ollama.faults import Fault

__all__ = ["LINES", "Form", "Part", "joined", "only", "send", "send_whole"]

Part = dict[str, Any]
_NO_JSON = b'{"model": "smollm2", "crea\n'


def _alone(part: Part) -> Part:
    return part


@frozen
class Form:
    """How an interface writes what the native one says in parts.

    Args:
        content_type: Of a stream.
        line: A part of a stream; None for a part that it leaves out.
        whole: The whole answer, of the joined parts.
        error: An error.
        last: What ends a stream.
    """

    content_type: str
    line: Callable[[Part], bytes | None]
    whole: Callable[[Part], Part]
    error: Callable[[str, int], Part]
    last: bytes = b""


LINES = Form(
    "application/x-ndjson",
    line=lambda part: json.dumps(part).encode() + b"\n",
    whole=_alone,
    error=lambda message, status: {"error": message},
)
"""The native interface: one JSON value in a line."""


async def only(part: Part) -> AsyncIterator[Part]:
    """Iterate over one part."""
    yield part


async def send(
    request: web.Request, parts: AsyncIterator[Part], fault: Fault | None, form: Form = LINES, *, stream: bool
) -> web.StreamResponse:
    """Send the parts as a stream, or joined."""
    if stream and not (fault and fault.kind == "error" and fault.after == 0):
        return await _send_lines(request, parts, fault, form)
    return await send_whole(request, parts, fault, form)


async def send_whole(
    request: web.Request, parts: AsyncIterator[Part], fault: Fault | None, form: Form = LINES
) -> web.StreamResponse:
    """Send one JSON value: the last part, with the text of all."""
    whole: Part = {}
    async with aclosing(parts):
        async for part in parts:
            whole = joined(whole, part)
            if fault:
                break
    if fault is None:
        failed = "error" in whole
        return web.json_response(whole if failed else form.whole(whole), status=500 if failed else 200)
    if fault.kind == "error":
        return web.json_response(form.error(fault.message, 500), status=500)
    if fault.kind == "end":
        return web.json_response(form.whole({**whole, "done": False}))
    if fault.kind == "malformed":
        return web.Response(body=_NO_JSON, content_type="application/json")
    return await _break_off(request, fault)


async def _send_lines(
    request: web.Request, parts: AsyncIterator[Part], fault: Fault | None, form: Form
) -> web.StreamResponse:
    # Headers go out with the first part, so that what fails before it still has a status of its own.
    answer, sent, done = web.StreamResponse(headers={"Content-Type": form.content_type}), 0, False
    async with aclosing(parts):
        async for part in parts:
            if not answer.prepared:
                await answer.prepare(request)
            if fault and sent == fault.after:
                await _disturb(request, answer, fault, form)
                return answer
            if line := form.line(part):
                await answer.write(line)
            sent, done = sent + 1, part.get("done", False)
    if not answer.prepared:
        await answer.prepare(request)
    await answer.write_eof(form.last if done else b"")
    return answer


async def _disturb(request: web.Request, answer: web.StreamResponse, fault: Fault, form: Form) -> None:
    if fault.kind == "malformed":
        await answer.write(_NO_JSON)
    elif fault.kind == "error":
        await answer.write(json.dumps(form.error(fault.message, 500)).encode() + b"\n")
    elif fault.kind != "end":
        await _break_off(request, fault)


async def _break_off(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Reset or close the connection, or hold it until the client gives up."""
    if fault.kind in ("cut", "close") and request.transport is not None:
        (request.transport.abort if fault.kind == "cut" else request.transport.close)()
        return web.Response()
    await asyncio.Event().wait()
    return web.Response()


def joined(whole: Part, part: Part) -> Part:
    """Return the parts before with one more on top: its fields win; texts, calls and scores are joined."""
    both = {**whole, **part}
    for name in ("response", "thinking", "logprobs"):
        if name in whole and name in part:
            both[name] = whole[name] + part[name]
    if "message" in whole and "message" in part:
        both["message"] = _joined_message(whole["message"], part["message"])
    return both


def _joined_message(before: Part, after: Part) -> Part:
    both = {**before, **after}
    for name in ("content", "thinking", "tool_calls"):
        if name in before and name in after:
            both[name] = before[name] + after[name]
    return both
