"""A scripted provider over HTTP: a server on loopback, of which an author writes the wire format alone."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from mellea.testing.conformance.provider import Answer, Provider
from mellea.testing.conformance.terms import Play

__all__ = ["HTTPProvider"]


class HTTPProvider(Provider):
    """A server that answers as the kit says, on a free port of this machine.

    Write ``whole``, ``stream`` and ``failure``, and ``plain`` where there is plain completion, each of which
    returns bodies; and ``known`` where the backend asks for something else first.
    """

    plays: ClassVar[frozenset[Play]] = frozenset(
        {"address", "bytes", "cut", "options", "redirect", "short", "status", "usage"}
    )
    content_type: ClassVar[str] = "text/event-stream"
    """The type of streams."""

    def start(self) -> None:
        """Listen."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="scripted-provider", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; what stalls ends."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def whole(self, request: Any, answer: Answer) -> Any:
        """Return the body of an answer that is not streamed, as a JSON value."""

    @abstractmethod
    def stream(self, request: Any, answer: Answer) -> Iterator[str]:
        """Iterate over the parts of a streamed body.

        Of one that ends ``short``, ``cut`` or in a ``stall``, only those before the end mark.
        """

    @abstractmethod
    def failure(self, answer: Answer) -> Any:
        """Return the body of a failure, as a JSON value."""

    def is_streamed(self, request: Any) -> bool:
        """Tell whether a request asks for a stream."""
        return bool(request.get("stream"))

    def known(self, method: str, path: str, request: Any) -> Any:
        """Return the answer to what is no generation, as a JSON value; None where it is one."""
        return None

    def bodies(self, request: Any, answer: Answer) -> list[bytes]:
        """Return the parts of the body that answers a request."""
        if answer.body is not None:
            return [answer.body]
        if answer.status >= 400:
            return [_as_json(self.failure(answer))]
        if self.is_streamed(request):
            return [part.encode() for part in self.stream(request, answer)]
        return [_as_json(self.whole(request, answer))]


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    provider: HTTPProvider

    def __init__(self, *arguments: Any) -> None:
        self.closing = threading.Event()
        super().__init__(*arguments)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        try:
            self._answer()
        except OSError:  # the client went away while it was written to
            self.close_connection = True
            self.server.provider.left.set()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def _answer(self) -> None:
        provider = self.server.provider
        received = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        request = json.loads(received) if received else {}
        known = provider.known(self.command, self.path, request)
        if known is not None:
            self._send(200, [_as_json(known)])
            return
        answer = provider.answer_to(json.dumps(request, ensure_ascii=False))
        time.sleep(answer.latency)
        parts = provider.bodies({**request, "path": self.path}, answer)
        streamed = provider.is_streamed(request) and answer.body is None and answer.status < 300
        if answer.ends == "stall" and not streamed:
            self._until_client_leaves()
            return
        if answer.ends == "cut" and not streamed:
            parts = [parts[0][: len(parts[0]) // 2]]
        headers = {"location": answer.location} if answer.location else {}
        if answer.retry_after is not None:
            headers["retry-after"] = f"{answer.retry_after:g}"
        if streamed or answer.split:
            self._stream(parts, answer)
        else:
            self._send(answer.status, parts, headers, cut=answer.ends == "cut")

    def _send(self, status: int, parts: Sequence[bytes], headers: Any = None, *, cut: bool = False) -> None:
        body = b"".join(parts)
        self.send_response(status)
        kind = "application/json" if body[:1] in {b"{", b"["} else "text/html"
        for name, value in {"content-type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) * (2 if cut else 1)))
        self.end_headers()
        self.wfile.write(body)
        if cut:
            self._break_off()

    def _stream(self, parts: Sequence[bytes], answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", self.server.provider.content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in parts:
            for sent in [part[at : at + 1] for at in range(len(part))] if answer.split else [part]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))
        if answer.ends == "stall":
            self._until_client_leaves()
        elif answer.ends == "cut":
            self._break_off()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _break_off(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _until_client_leaves(self) -> None:
        self.close_connection = True
        while not self.server.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            with suppress(OSError):
                if not readable or self.connection.recv(1, socket.MSG_PEEK):
                    continue
            self.server.provider.left.set()
            return
