"""What a server allows, and clients that do not behave."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

import httpx2
import pytest

from mellea import MelleaSession
from mellea.serve import App, Limits
from mellea.testing import Fault, ScriptedBackend
from tests.serve.serving import serving

JSON = {"content-type": "application/json"}
BODY = json.dumps({"messages": [{"role": "user", "content": "x"}]})
STREAM = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True})


class Slow:
    """A program that says when it begins and how it ends, and goes on when it is let."""

    def __init__(self):
        self.begun, self.ended, self.go_on = threading.Event(), threading.Event(), threading.Event()

    async def serve(self, input):
        self.begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            self.ended.set()

    def blocking(self, input):
        self.begun.set()
        self.go_on.wait(30)
        return "done"


def until(condition):
    """Wait until something holds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def request_of(address, body=BODY):
    """Send a request on a bare connection, and return that."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def ask(address, body=BODY, headers=JSON):
    """Return status and code of what comes back."""
    answer = httpx2.post(f"{address}/v1/chat/completions", content=body, headers=headers, timeout=30)
    return answer.status_code, answer.json().get("error", {}).get("code")


NO_SCHEMA = json.dumps(
    {
        "messages": [{"role": "user", "content": "x"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "nonsense"}},
        },
    }
)
RUBBISH = {
    "too large": ("x" * 2000, JSON, 413, "body_too_large"),
    "too large in pieces": (iter([b"x" * 600] * 3), JSON, 413, "body_too_large"),
    "no JSON": ("{", JSON, 400, "invalid_json"),
    "no object": ("[]", JSON, 400, "invalid_json"),
    "no text": (b"\xff\xfe\x00", JSON, 400, "invalid_json"),
    "half a character": (
        '{"messages": [{"role": "user", "content": "\\ud800"}]}',
        JSON,
        400,
        "invalid_value",
    ),
    "no schema": (NO_SCHEMA, JSON, 400, "invalid_value"),
    "deep": ("[" * 990, JSON, 400, "invalid_json"),
    "form of a web page": (BODY, {"content-type": "text/plain"}, 415, "no_json"),
}


@pytest.fixture(scope="module")
def small():
    async def serve(input, format=None):
        return input[-1].content

    with serving(App(serve, limits=Limits(body_bytes=1000, receive_seconds=0.5))) as (address, _):
        yield address


@pytest.mark.parametrize("case", RUBBISH)
def test_rubbish_is_refused(small, case):
    body, headers, status, code = RUBBISH[case]
    assert ask(small, body, headers) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("POST", "/v1/responses", 404), ("GET", "/%0d%0aevil", 404)],
)
def test_other_addresses_are_refused_in_the_same_shape(small, method, path, status):
    answer = httpx2.request(method, f"{small}{path}")

    assert answer.status_code == status
    assert answer.json()["error"]["type"]
    assert "\r" not in answer.json()["error"]["message"]


@pytest.mark.parametrize("sent", [b"", b"POST /v1", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01 TLS\r\n\r\n"])
def test_connection_without_a_request_is_closed(small, sent):
    host, port = small.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(sent)
        try:
            said = connection.recv(1000)
        except ConnectionResetError:
            said = b""
    assert not said or said.startswith(b"HTTP/1.1 400")


def test_requests_beyond_the_queue_are_told_to_come_back():
    slow = Slow()
    app = App(slow.serve, limits=Limits(concurrency=1, queue=1, grace_seconds=0))
    with serving(app) as (address, _), request_of(address):
        until(slow.begun.is_set)
        with request_of(address):
            until(lambda: app.running == 2)
            assert ask(address) == (429, "server_busy")
        until(lambda: app.running == 1)


def test_request_that_takes_too_long_ends():
    slow = Slow()
    with serving(App(slow.serve, limits=Limits(seconds=0.05))) as (address, _):
        assert ask(address) == (504, "timeout")
        assert slow.ended.wait(30)


def test_program_is_cancelled_when_its_client_leaves():
    slow = Slow()
    with serving(App(slow.serve)) as (address, _):
        with request_of(address):
            until(slow.begun.is_set)
        assert slow.ended.wait(30)


def test_thread_keeps_its_turn_when_its_client_leaves():
    slow = Slow()
    app = App(slow.blocking, limits=Limits(concurrency=1))
    with serving(app) as (address, _):
        with request_of(address):
            until(slow.begun.is_set)
        with request_of(address) as second:
            until(lambda: app.running == 2)
            slow.go_on.set()
            assert second.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: app.running == 0)


def test_stopping_ends_streams_with_an_error():
    m = MelleaSession(ScriptedBackend(Fault.stall(1, ["One ", "two"])))

    async def serve(input, model_options):
        return await m.aact("x", strategy=None, model_options=model_options)

    app = App(serve, limits=Limits(grace_seconds=0))
    with (
        serving(app) as (address, server),
        httpx2.stream(
            "POST", f"{address}/v1/chat/completions", content=STREAM, headers=JSON, timeout=30
        ) as answer,
    ):
        lines = (line for line in answer.iter_lines() if line)
        assert [json.loads(next(lines)[6:])["choices"][0]["delta"]["content"] for _ in range(2)] == [
            "",
            "One ",
        ]
        server.should_exit = True
        assert [json.loads(line[6:])["error"]["code"] for line in lines] == ["server_stopping"]


@pytest.mark.parametrize("body", [BODY, STREAM])
def test_client_that_does_not_read_is_given_up(body):
    m = MelleaSession(ScriptedBackend(lambda _: ["x" * 1_000_000] * 20))

    async def serve(input, model_options):
        return await m.aact("x", strategy=None, model_options=model_options)

    app = App(serve, limits=Limits(seconds=0.3, receive_seconds=0.3))
    with serving(app) as (address, server), request_of(address, body) as connection:
        connection.recv(1)
        until(lambda: not server.server_state.connections)
    assert app.running == 0
