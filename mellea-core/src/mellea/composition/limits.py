"""A backend that is asked no more often than its provider allows."""

from __future__ import annotations

import asyncio
import threading
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from mellea.composition._wrapper import BackendWrapper
from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse, Usage

__all__ = ["LimitedBackend", "limited"]

_MINUTE = 60.0


class _Rate:
    """So many units a minute, spread evenly after a burst; for all threads and event loops of the process.

    What is spent is known after it was spent: what is over the bound is waited for before the next request.
    It is the generic cell rate algorithm (ITU-T I.371), a clock reading and a sum for each request.
    """

    def __init__(self, per_minute: float, burst: float) -> None:
        self._seconds = _MINUTE / per_minute
        self._slack = burst * self._seconds
        self._due = 0.0
        self._lock = threading.Lock()

    def spend(self, units: float) -> float:
        """Count units, and return the seconds to wait for them."""
        with self._lock:
            now = monotonic()
            due = max(self._due, now)
            self._due = due + units * self._seconds
            return max(0.0, self._due - self._slack - now)


class LimitedBackend(BackendWrapper):
    """Keeps to a rate, and to a number of requests at the same time. See ``limited``."""

    def __init__(
        self,
        backend: Backend,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        concurrency: int | None = None,
    ) -> None:
        limits = {
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
            "concurrency": concurrency,
        }
        for name, limit in limits.items():
            if limit is not None and (isinstance(limit, bool) or not limit > 0):
                raise UsageError(f"{name} is {limit!r}.", hint="Pass a number above zero.")
        if all(limit is None for limit in limits.values()):
            raise UsageError("There is no limit.", hint=f"Pass one of {', '.join(limits)}.")
        super().__init__(backend)
        vars(self).update(provider=backend.provider)
        self._backend = backend
        self._requests = requests_per_minute and _Rate(requests_per_minute, 1)
        self._tokens = tokens_per_minute and _Rate(tokens_per_minute, tokens_per_minute)
        self._places = concurrency and _Places(concurrency)

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the backend's chunks once it is this request's turn."""
        async with self._turn() as spent, self.chunks_of(self._backend, request) as chunks:
            async for chunk in chunks:
                spent.append(chunk.usage)
                yield chunk

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Return the backend's completions once it is this request's turn."""
        async with self._turn() as spent:
            completions = await self.completions_of(self._backend, request)
            spent.extend(completion.usage for completion in completions)
        return completions

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Return the backend's vectors once it is this request's turn."""
        async with self._turn() as spent:
            response = await self.vectors_of(self._backend, request)
            spent.append(response.usage)
        return response

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[list[Usage | None], None]:
        """Wait until a request may be sent, and count what it is told to have spent."""
        if self._places:
            await self._places.take()
        try:
            if self._requests:
                await sleep(self._requests.spend(1))
            if self._tokens:
                await sleep(self._tokens.spend(0))
            spent: list[Usage | None] = []
            try:
                yield spent
            finally:
                if self._tokens:
                    self._tokens.spend(sum(usage.total_tokens for usage in spent if usage is not None))
        finally:
            if self._places:
                self._places.give_back()


class _Places:
    """A number of places, which the tasks of any event loops take in the order in which they came."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    async def take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            with self._lock:
                was_waiting = turn in self._waiting
                if was_waiting:
                    self._waiting.remove(turn)
            if not was_waiting:  # its turn had come
                self.give_back()
            raise

    def give_back(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.pop(0)
                try:
                    turn.get_loop().call_soon_threadsafe(_wake, turn)
                except RuntimeError:  # its loop is closed: nobody waits there any more
                    continue
                return
            self._free += 1


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def limited(backend: Backend, **limits: Any) -> LimitedBackend:
    """Return a backend that is asked no more often than its provider allows.

    Requests wait for their turn, in the order in which they came. It can do what the backend can. By name:
    ``start_session(backend="limited:openai", requests_per_minute=60)``.

    Args:
        backend: The backend.
        limits: ``requests_per_minute``, spread evenly; ``tokens_per_minute``, read and written, of which a
            minute's may come at once (what an answer spends beyond is waited for before the next request);
            ``concurrency``, the requests at the same time. At least one of them.

    Raises:
        UsageError: There is no limit, or one is no number above zero.
    """
    return LimitedBackend(backend, **limits)
