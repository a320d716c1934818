"""A chat-completions server that costs as little as possible. It runs in a process of its own.

The path says how it answers: ``/{delay}/{pieces}/v1/chat/completions`` waits ``delay`` milliseconds before a
whole answer, and before each of the ``pieces`` of a streamed one. A request for JSON gets a judge's verdict
that says yes, one that offers tools a call of each of three, until their results are in it.
``/{delay}/{pieces}/api/...`` is an Ollama server with a model ``m``. ``GET /arrival`` gives the monotonic
time at which the last request came.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen

__all__ = ["Server", "running_server"]

_COMMON = {"id": "c1", "created": 1, "model": "m"}
_USAGE = {"prompt_tokens": 20_000, "completion_tokens": 1, "total_tokens": 20_001}


def _event(**fields: Any) -> bytes:
    return b"data: " + json.dumps({**_COMMON, "object": "chat.completion.chunk", **fields}).encode() + b"\n\n"


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def _whole(content: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return _response(
        json.dumps({**_COMMON, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    )


def _calling(*names: str) -> bytes:
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": '{"text": "a"}'}}
        for name in names
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return _response(
        json.dumps({**_COMMON, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    )


_ANSWER = _whole("hello")
_CALLS = _calling("first", "second", "third")
_VERDICT = _whole(json.dumps({"reason": "It is polite.", "met": True}))
_MODELS = _response(json.dumps({"models": [{"name": "m:latest", "model": "m:latest"}]}).encode())
_OLLAMA_ANSWER = _response(
    json.dumps(
        {
            "model": "m",
            "created_at": "2026-11-27T07:00:55.048874189Z",
            "message": {"role": "assistant", "content": "hello"},
            "done": True,
            "done_reason": "stop",
            "total_duration": 1673732828,
            "load_duration": 1408693441,
            "prompt_eval_count": 20_000,
            "prompt_eval_duration": 91640000,
            "eval_count": 1,
            "eval_duration": 166335000,
        }
    ).encode()
)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PIECE = _event(choices=[{"index": 0, "delta": {"content": "hello "}, "finish_reason": None}])
_LAST = (
    _event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + _event(choices=[], usage=_USAGE)
    + b"data: [DONE]\n\n"
)


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class _Connection(asyncio.Protocol):
    arrival = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.received = b""
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            _, _, after = head.partition(b"content-length:")
            length = int(after.split(b"\r\n", 1)[0] or 0)
            if len(self.received) < end + 4 + length:
                return
            body, self.received = self.received[end + 4 : end + 4 + length], self.received[end + 4 + length :]
            self.answer(head.split(b" ", 2)[1].decode(), body)

    def answer(self, path: str, body: bytes) -> None:
        if path == "/arrival":
            self.send(_response(repr(_Connection.arrival).encode()))
            return
        if path.endswith("/api/tags"):
            self.send(_MODELS)
            return
        _Connection.arrival = time.monotonic()
        delay, pieces = (int(part) for part in path.split("/")[1:3])
        if b'"stream":true' in body.replace(b" ", b""):
            self.send(_STREAM_HEAD)
            self.stream(delay / 1000, pieces)
            return
        whole = _VERDICT if b'"response_format"' in body else _ANSWER
        if b'"tools"' in body and b'"tool_call_id"' not in body:
            whole = _CALLS
        whole = _OLLAMA_ANSWER if path.endswith("/api/chat") else whole
        if delay:
            self.loop.call_later(delay / 1000, self.send, whole)
        else:
            self.send(whole)

    def stream(self, delay: float, pieces: int) -> None:
        """Send the pieces: all at once, or one by one on a schedule that no lateness moves."""
        last = _chunked(_LAST) + b"0\r\n\r\n"
        if not delay:
            for _ in range(pieces):
                self.send(_chunked(_PIECE))
            self.send(last)
            return
        now = self.loop.time()
        for index in range(1, pieces + 1):
            self.loop.call_at(
                now + index * delay, self.send, _chunked(_PIECE) + (last if index == pieces else b"")
            )

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


@frozen
class Server:
    """A running server."""

    port: int

    def base_url(self, *, delay_ms: int = 0, pieces: int = 1) -> str:
        """Return the base URL under which it answers in this way."""
        return f"http://127.0.0.1:{self.port}/{delay_ms}/{pieces}/v1"

    def ollama_url(self, *, delay_ms: int = 0) -> str:
        """Return the address of the Ollama server that answers in this way."""
        return f"http://127.0.0.1:{self.port}/{delay_ms}/1"

    def last_arrival(self) -> float:
        """Return when the last request came, on the machine's monotonic clock, in seconds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/arrival") as answer:
            return float(answer.read())


@contextmanager
def running_server() -> Iterator[Server]:
    """Run the server in a process of its own until the block ends."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(int(process.stdout.readline()))
        finally:
            process.terminate()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
