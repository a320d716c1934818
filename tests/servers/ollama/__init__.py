"""A server that speaks Ollama's protocol in front of llama-server, for tests with real tokens.

In a test take the fixture ``ollama_server`` (see ``tests.servers.fixtures``); by hand, from the top of the
repository::

    python -m tests.servers.ollama           # prints the address, serves until interrupted

Its models are SmolLM2 under several names; ``MODELS`` says which can what, ``PULLABLE`` what can be pulled.
Every request is kept in ``server.requests``. ``server.faults`` holds what the next requests to a generating
endpoint run into, and ``server.words`` what the model says next, word for word. What a real server answers
stands in ``facts.json``, and ``tests/servers/test_ollama_facts.py`` holds this one to it.

A request goes from ``api`` or ``openai_routes`` (the endpoints) over ``answers`` (the checks, and the fields
of an answer) to ``generation`` (reasoning, tool calls, formats) and ``runner`` (llama-server); ``sending``
sends what comes back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from attrs import Factory, define, frozen

from tests.servers.llama import LlamaServer, running_llama_server
from tests.servers.ollama.api import application
from tests.servers.ollama.errors import RejectedError
from tests.servers.ollama.faults import BUSY, Fault, runner_dies, server_ends
from tests.servers.ollama.models import MODELS, PULLABLE, WINDOW, Loaded
from tests.servers.ollama.names import full_name

__all__ = [
    "BUSY",
    "MODELS",
    "PULLABLE",
    "Fault",
    "OllamaServer",
    "Recorded",
    "runner_dies",
    "running_ollama_server",
    "server_ends",
]

_GENERATING = {"/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions"}


@frozen
class Recorded:
    """A request as it came in."""

    path: str
    body: Mapping[str, Any]


@define
class OllamaServer:
    """A running server.

    Args:
        llama: What generates.
        base_url: Its address.
        models: What is installed: capabilities by full name.
        parameters: Options that the models' files set, which those of a request go before.
        loaded: What is in memory, by full name.
        requests: What came in, oldest first.
        faults: What the next requests run into, first to last.
        words: What the model says in the next generations, first to last, as it would write it itself: with
            its own tags for reasoning and tool calls. It says it token by token.
    """

    llama: LlamaServer
    base_url: str = ""
    models: dict[str, tuple[str, ...]] = Factory(lambda: dict(MODELS))
    parameters: dict[str, Any] = Factory(dict)
    loaded: dict[str, Loaded] = Factory(dict)
    requests: list[Recorded] = Factory(list)
    faults: list[Fault] = Factory(list)
    words: list[str] = Factory(list)

    def reset(self) -> None:
        """Return to the state at the start."""
        self.models.clear()
        self.models.update(MODELS)
        self.parameters.clear()
        self.loaded.clear()
        self.requests.clear()
        self.faults.clear()
        self.words.clear()

    def sent(self, path: str) -> list[Mapping[str, Any]]:
        """Return the bodies of the requests to an endpoint."""
        return [request.body for request in self.requests if request.path == path]

    # For the application

    def record(self, path: str, body: Mapping[str, Any]) -> None:
        self.requests.append(Recorded(path, body))

    def take_fault(self, path: str) -> Fault | None:
        """Return the next fault if it is meant for this endpoint.

        Raises:
            RejectedError: It is a status.
        """
        wanted = self.faults[0].path if self.faults else None
        if not self.faults or not (wanted == path or (wanted is None and path in _GENERATING)):
            return None
        fault = self.faults.pop(0)
        if fault.kind == "status":
            raise RejectedError(fault.status, fault.message, fault.headers)
        return fault

    def next_words(self) -> str | None:
        """Return what the model is to say now; None if it speaks for itself."""
        return self.words.pop(0) if self.words else None

    def capabilities_of(self, name: str) -> tuple[str, ...] | None:
        """Return what an installed model can do, None if there is no such model."""
        return self.models.get(full_name(name))

    def pull(self, name: str) -> bool:
        """Install a model, and tell whether it exists."""
        found = self.capabilities_of(name) or PULLABLE.get(full_name(name))
        if found is not None:
            self.models[full_name(name)] = found
        return found is not None


@contextmanager
def running_ollama_server(port: int = 0) -> Iterator[OllamaServer]:
    """Run the server, and the runner behind it, for as long as the block lasts.

    Args:
        port: Where it listens, on the loopback address; 0 for a free one.
    """
    runner = running_llama_server(context_window=WINDOW, for_ollama=True)
    with runner as llama, _running(OllamaServer(llama), port) as server:
        yield server


@contextmanager
def _running(server: OllamaServer, port: int) -> Iterator[OllamaServer]:
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        # A handler whose client goes away is cancelled, and with it the generation: what Ollama does too.
        runner = web.AppRunner(
            application(server), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await stop.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="ollama-server", daemon=True)
    thread.start()
    if not started.wait(timeout=10):
        raise RuntimeError("The Ollama-protocol server did not start within 10 seconds.")
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
