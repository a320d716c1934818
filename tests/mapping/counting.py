"""A chat-completions server that counts: what it answers depends on what it is asked alone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CountingServer:
    """Writes as many letters as the digest of a prompt says; too many for about a third of first attempts.

    Args:
        delay: Seconds before each answer.
    """

    def __init__(self, delay: float = 0.002) -> None:
        self.delay = delay
        self.calls = 0
        self.tokens = 0
        self.url = ""
        self.connections: set[Any] = set()
        self._called = threading.Condition()

    def wait_for(self, calls: int) -> None:
        """Wait until there were so many calls in all."""
        with self._called:
            assert self._called.wait_for(lambda: self.calls >= calls, 60)

    def answer(self, body: bytes) -> bytes:
        digest = hashlib.sha256(json.dumps(json.loads(body)["messages"]).encode()).digest()
        text, read = "a" * (1 + digest[0] % 3), 5 + digest[1] % 90
        with self._called:
            self.calls += 1
            self.tokens += read + len(text)
            self._called.notify_all()
        usage = {"prompt_tokens": read, "completion_tokens": len(text), "total_tokens": read + len(text)}
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        told = {"id": "c", "created": 1, "model": "m", "object": "chat.completion"}
        return json.dumps({**told, "choices": [choice], "usage": usage}).encode()


class _Connection(asyncio.Protocol):
    def __init__(self, server: CountingServer) -> None:
        self.server, self.received = server, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            _, _, after = self.received[:end].lower().partition(b"content-length:")
            size = end + 4 + int(after.split(b"\r\n", 1)[0] or 0)
            if len(self.received) < size:
                return
            body, self.received = self.received[end + 4 : size], self.received[size:]
            asyncio.get_running_loop().call_later(self.server.delay, self.send, self.server.answer(body))

    def send(self, body: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self.transport.write(head % len(body) + body)


@contextmanager
def counting_server(delay: float = 0.002) -> Iterator[CountingServer]:
    """Run a server in a thread until the block ends."""
    server, ready, ends = CountingServer(delay), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        listening = await loop.create_server(lambda: _Connection(server), "127.0.0.1", 0)
        async with listening:
            server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
            ready.set()
            await ends.wait()
            for transport in tuple(server.connections):
                transport.abort()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()
