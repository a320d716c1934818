"""A server that speaks Ollama's protocol in front of llama-server, so that its tests get real tokens.

In a test take the fixture ``ollama_server`` (see ``tests.servers.fixtures``); by hand, from the top::

    python -m tests.servers.ollama           # prints the address, serves until interrupted

Its models are SmolLM2 under several names; ``MODELS`` says which can what, ``PULLABLE`` what can be pulled.
Every request is kept in ``server.requests``. ``server.faults`` holds what the next requests to a generating
endpoint run into.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from aiohttp import web
from attrs import Factory, define, frozen

from tests.servers.llama import LlamaServer, running_llama_server, serve_by_hand
from tests.servers.ollama_api import application
from tests.servers.ollama_names import full_name

__all__ = ["MODELS", "PULLABLE", "Fault", "OllamaServer", "Recorded", "running_ollama_server"]

MODELS: Mapping[str, tuple[str, ...]] = {
    "smollm2:latest": ("completion",),
    "smollm2.1:135m": ("completion",),
    "smollm2-thinking:latest": ("completion", "thinking"),
    "smollm2-vision:latest": ("completion", "vision"),
}
"""What is installed at first, and what it can do. The thinking model's first words count as its reasoning."""
PULLABLE: Mapping[str, tuple[str, ...]] = {"smollm2-extra:latest": ("completion",)}
"""What ``/api/pull`` finds."""


@frozen
class Recorded:
    """A request as it came in."""

    path: str
    body: Mapping[str, Any]


@frozen
class Fault:
    """What goes wrong with one request.

    Args:
        kind: ``status``: an HTTP status before anything is generated. ``error``: an error line. ``cut``: the
            connection is reset. ``end``: the answer ends without its last line. ``malformed``: a line that is
            no JSON. ``stall``: nothing more comes. ``load``: the model is loaded and nothing generated.
        after: Pieces that are sent properly before.
        status: Status of ``status``.
        message: Error text of ``status`` and ``error``.
        headers: Headers of ``status``.
        path: The endpoint; by default any that generates.
    """

    kind: Literal["status", "error", "cut", "end", "malformed", "stall", "load"]
    after: int = 0
    status: int = 500
    message: str = "scripted fault"
    headers: Mapping[str, str] = {}
    path: str | None = None


@define
class OllamaServer:
    """A running server.

    Args:
        llama: What generates.
        base_url: Its address.
        models: What is installed: capabilities by full name.
        requests: What came in, oldest first.
        faults: What the next requests run into, first to last.
    """

    llama: LlamaServer
    base_url: str = ""
    models: dict[str, tuple[str, ...]] = Factory(lambda: dict(MODELS))
    requests: list[Recorded] = Factory(list)
    faults: list[Fault] = Factory(list)

    def reset(self) -> None:
        """Return to the state at the start."""
        self.models.clear()
        self.models.update(MODELS)
        self.requests.clear()
        self.faults.clear()

    def sent(self, path: str) -> list[Mapping[str, Any]]:
        """Return the bodies of the requests to an endpoint."""
        return [request.body for request in self.requests if request.path == path]

    # For the application

    def record(self, path: str, body: Mapping[str, Any]) -> None:
        self.requests.append(Recorded(path, body))

    def take_fault(self, path: str) -> Fault | None:
        """Return the next fault if it is meant for this endpoint."""
        wanted = self.faults[0].path if self.faults else None
        if self.faults and (wanted == path or (wanted is None and path in {"/api/chat", "/api/generate"})):
            return self.faults.pop(0)
        return None

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
def running_ollama_server() -> Iterator[OllamaServer]:
    """Run the server, on a free loopback port, and the runner behind it, for as long as the block lasts."""
    with running_llama_server(tells=True) as llama, _running(OllamaServer(llama)) as server:
        yield server


@contextmanager
def _running(server: OllamaServer) -> Iterator[OllamaServer]:
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        # A handler whose client goes away is cancelled, and with it the generation: what Ollama does too.
        runner = web.AppRunner(
            application(server), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
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


if __name__ == "__main__":
    serve_by_hand(
        running_ollama_server(), lambda server: f"{server.base_url} serves {', '.join(server.models)}"
    )
