"""A backend whose stream waits at a gate, so that a test can look at what is under way."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from mellea.core import Backend, Capability, ChatRequest, Chunk


class Gate:
    """Opened once, by any thread; waited for in any thread or event loop."""

    def __init__(self):
        self._opened: Future[None] = Future()

    def open(self):
        with suppress(InvalidStateError):
            self._opened.set_result(None)

    def is_open(self):
        return self._opened.done()

    def wait(self):
        self._opened.result(timeout=60)

    async def passed(self):
        await asyncio.shield(asyncio.wrap_future(self._opened))


class GatedBackend(Backend):
    """Gives its first pieces at once, and the last one when ``release`` is open."""

    provider = "gated"
    capabilities = frozenset({Capability.STREAMING})

    def __init__(self, *first: str, last: str = "end", error: Exception | None = None):
        super().__init__("gate")
        self.first, self.last, self.error = first, last, error
        self.requests: list[ChatRequest] = []
        self.reached, self.release, self.stopped = Gate(), Gate(), Gate()
        self.closed = False

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        try:
            for piece in self.first:
                yield Chunk(text=piece)
            self.reached.open()
            await self.release.passed()
            if self.error is not None:
                raise self.error
            yield Chunk(text=self.last, finish_reason="stop")
        finally:
            self.stopped.open()

    async def aclose(self):
        self.closed = True
