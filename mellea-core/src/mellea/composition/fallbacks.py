"""Several backends, of which the next is asked where one fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from math import inf
from typing import ClassVar, TypeVar

from attrs import evolve

from mellea.composition._wrapper import BackendWrapper
from mellea.core.backend import Backend
from mellea.core.errors import MelleaError, ProviderError, ProviderTimeoutError, RefusalError, UsageError
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse
from mellea.core.time_limits import stand_in, within

__all__ = ["FallbackBackend", "fallback"]

T = TypeVar("T")
_PAUSE = 30.0


class FallbackBackend(BackendWrapper):
    """Asks the first backend, and the next one where it fails. See ``fallback``."""

    provider: ClassVar[str] = "fallback"

    def __init__(self, *backends: Backend, patience: float | None = None, pause: float = _PAUSE) -> None:
        for name, seconds in (("patience", patience), ("pause", pause)):
            if seconds is not None and not seconds >= 0:
                raise UsageError(f"{name} is {seconds!r}.", hint="Pass a number of seconds.")
        super().__init__(*backends)
        self._patience = patience
        self._pause = pause
        self._resting: dict[int, float] = {}

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the chunks of the first backend that begins to answer.

        Once a piece is there, no other backend is asked: it would begin anew.
        """
        failures: list[tuple[Backend, MelleaError]] = []
        for backend, is_last in self._in_turn():
            async with self.chunks_of(backend, request) as chunks:
                try:
                    first = await self._in_time(backend, anext(chunks, None), is_last)
                except Exception as error:  # noqa: BLE001  raised unless another backend may do
                    failures.append((backend, self._passed_over(backend, error)))
                    continue
                if first is not None:
                    yield evolve(first, response_model=first.response_model or backend.model_id)
                async for chunk in chunks:
                    yield chunk
                return
        raise _none_answered(failures)

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Return the completions of the first backend that gives them."""
        return await self._first(lambda backend: self.completions_of(backend, request))

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Refuse: vectors of two models cannot be compared, so that none may stand in for another."""
        if len(self.inner_backends) > 1:
            raise UsageError(
                "A fallback embeds nothing: vectors of two models cannot be compared.",
                hint="Embed with one backend.",
            )
        return await self.vectors_of(self.inner_backends[0], request)

    async def _first(self, ask: Callable[[Backend], Awaitable[T]]) -> T:
        failures: list[tuple[Backend, MelleaError]] = []
        for backend, is_last in self._in_turn():
            try:
                return await self._in_time(backend, ask(backend), is_last)
            except Exception as error:  # noqa: BLE001  raised unless another backend may do
                failures.append((backend, self._passed_over(backend, error)))
        raise _none_answered(failures)

    def _in_turn(self) -> Iterator[tuple[Backend, bool]]:
        """Iterate over the backends, those last that failed not long ago, and whether each is the last."""
        now = time.monotonic()
        rests = [self._resting.get(place, 0.0) > now for place in range(len(self.inner_backends))]
        places = sorted(range(len(self.inner_backends)), key=rests.__getitem__)
        for place in places:
            yield self.inner_backends[place], place == places[-1]

    async def _in_time(self, backend: Backend, answer: Awaitable[T], is_last: bool) -> T:
        try:
            with within(inf if self._patience is None else self._patience), stand_in(not is_last):
                async with asyncio.timeout(self._patience):
                    return await answer
        except TimeoutError as error:
            if isinstance(error, MelleaError):
                raise
            raise ProviderTimeoutError(
                f"Backend {backend.provider!r} sent nothing for {self._patience:g} seconds.",
                hint="Raise patience=... of the fallback.",
                backend=backend.provider,
                model_id=backend.model_id,
            ) from error

    def _passed_over(self, backend: Backend, error: Exception) -> MelleaError:
        """Return a backend's error, after which the next one is asked; raise one that is not for that."""
        ours = error if isinstance(error, MelleaError) else backend.translate_error(error)
        if not isinstance(ours, ProviderError) or isinstance(ours, RefusalError):
            raise error
        if ours.retryable:  # it is the backend that fails, and not this request
            self._resting[self.inner_backends.index(backend)] = time.monotonic() + self._pause
        return ours


def _none_answered(failures: Sequence[tuple[Backend, MelleaError]]) -> MelleaError:
    if len(failures) == 1:
        return failures[0][1]
    told = "; ".join(
        f"{backend.provider} ({backend.model_id}): {error.message}" for backend, error in failures
    )
    waits = [error.retry_after for _, error in failures if error.retry_after is not None]
    error = ProviderError(
        f"None of {len(failures)} backends answered: {told}",
        hint=failures[0][1].hint,
        backend="fallback",
        retry_after=min(waits, default=None),
    )
    error.__cause__ = failures[-1][1]
    return error


def fallback(*backends: Backend, patience: float | None = None, pause: float = _PAUSE) -> FallbackBackend:
    """Return a backend that asks the next one where one fails.

    It can do what each of them can. Another is asked after an error of the provider, before the first piece
    of an answer: not after a refusal, which is an answer, and not where the caller is to blame. Only the last
    one is tried again after a failure that may pass, unless ``max_retries`` says so. By name:
    ``start_session(backend="fallback:ollama,hf")``.

    Args:
        backends: The backends, the preferred first.
        patience: Seconds that each has for its first piece; no bound by default.
        pause: Seconds for which a backend whose failure may pass is asked last.

    Raises:
        UsageError: There is no backend, or one is none, or a number is no number of seconds.
    """
    return FallbackBackend(*backends, patience=patience, pause=pause)
