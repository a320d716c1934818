"""A server in a thread of its own, for tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mellea.serve import App
from mellea.serve.running import Server, listen, server_of

__all__ = ["serving"]


@contextmanager
def serving(app: App) -> Iterator[tuple[str, Server]]:
    """Serve an application until the block ends; its address, and what serves it."""
    with listen("127.0.0.1", 0) as listening:
        server = server_of(app)
        runs = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        runs.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", server
        finally:
            server.should_exit = True
            runs.join(30)
