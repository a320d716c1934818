"""A backend's chunks as the pipeline takes them.

Bounded in time, asked for again where that may help, checked, with the backend's errors in our words.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from types import AsyncGeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from mellea.core.errors import MalformedResponseError, MelleaError
from mellea.core.journal import asking_chat
from mellea.core.model_api import ModelAPI
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk
from mellea.core.time_limits import Clock, TimeLimits

if TYPE_CHECKING:
    from mellea.core._tries import Tries

__all__ = ["InTime", "answer_of", "chunks_of", "make_ready", "take_chunks"]

T = TypeVar("T")


class InTime:
    """A block in which a backend works: bounded in time, and what it raises turned into errors of ours.

    Args:
        backend: What works.
        limits: How long it may.

    Raises:
        ProviderTimeoutError: A limit was reached.
        MelleaError: The backend failed.
    """

    def __init__(self, backend: ModelAPI, limits: TimeLimits) -> None:
        self._backend = backend
        self._clock = Clock(limits)

    def __enter__(self) -> Clock:
        self._clock.start()
        return self._clock

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.stop()
        if isinstance(error, asyncio.CancelledError):
            if self._clock.expired:
                raise self._clock.error(self._backend) from None
        elif isinstance(error, Exception):
            from mellea.core._failures import blank, cut_off, in_our_words  # noqa: PLC0415  only failures need it

            ours = in_our_words(self._backend, error)
            if ours is error and ours.__cause__ is not None and not isinstance(ours.__cause__, MelleaError):
                cut_off(ours.__cause__)
            blank(ours, self._backend)
            if ours is not error:
                raise ours from error


async def make_ready(backend: ModelAPI) -> None:
    """Let a backend find out what it does not know yet.

    Raises:
        ProviderTimeoutError: It takes longer than a generation may.
        MelleaError: The backend failed.
    """
    if type(backend).ready is not ModelAPI.ready:
        with InTime(backend, TimeLimits.of(backend.model_options, stream=False)):
            await backend.ready()


async def take_chunks(
    backend: ModelAPI,
    request: ChatRequest,
    limits: TimeLimits,
    take: Callable[[Chunk], None],
    tell: Callable[[Chunk], Awaitable[object]] | None = None,
) -> None:
    """Hand on the chunks of an answer. Only what brings the answer on counts as a sign of life.

    Args:
        backend: What answers.
        request: What it is asked.
        limits: How long it may take.
        take: Takes each chunk.
        tell: Is told of each then, if somebody listens.

    Raises:
        ProviderTimeoutError: A limit was reached.
        MalformedResponseError: The backend yields something else than chunks, or nothing at all.
        MelleaError: The backend failed.
    """
    tries: Tries | None = None
    some = False
    ask = asking_chat(backend, request)
    with InTime(backend, limits) as clock:
        while not some:
            try:
                async with aclosing(_closeable(backend, ask())) as chunks:
                    async for chunk in chunks:
                        some = True
                        if not isinstance(chunk, Chunk):
                            raise _malformed_stream(
                                backend, f"yielded {type(chunk).__name__}", "Yield mellea.core.Chunk values."
                            )
                        if chunk.text or chunk.thinking or chunk.finish_reason or chunk.tool_calls:
                            clock.reset()
                        take(chunk)
                        if tell is not None:
                            await tell(chunk)
                if not some:
                    raise _malformed_stream(
                        backend, "ended without a chunk", "Yield at least one, even for an empty answer."
                    )
            except Exception as error:
                if some:
                    raise
                tries = await _again(backend, error, tries, clock.started)


async def chunks_of(
    backend: ModelAPI, ask: Callable[[], AsyncIterator[Chunk]]
) -> AsyncGenerator[Chunk, None]:
    """Hand on the chunks of a backend behind another one, asked for again until there is one.

    Args:
        backend: What answers.
        ask: Asks it once.
    """
    tries: Tries | None = None
    started, some = asyncio.get_running_loop().time(), False
    while True:
        try:
            async with aclosing(_closeable(backend, ask())) as chunks:
                async for chunk in chunks:
                    some = True
                    yield chunk
            return
        except Exception as error:
            if some:
                raise
            tries = await _again(backend, error, tries, started)


async def answer_of(backend: ModelAPI, ask: Callable[[], Awaitable[T]]) -> T:
    """Return the whole answer of a backend, asked for again where that may help.

    Args:
        backend: What answers.
        ask: Asks it once.
    """
    tries: Tries | None = None
    started = asyncio.get_running_loop().time()
    while True:
        try:
            return await ask()
        except Exception as error:  # noqa: BLE001  raised unless the backend may be asked again
            tries = await _again(backend, error, tries, started)


async def _again(backend: ModelAPI, error: Exception, tries: Tries | None, started: float) -> Tries:
    """Wait until a backend may be asked again after an error; raise the error where it may not be."""
    if tries is None:
        from mellea.core._tries import Tries  # noqa: PLC0415  only failures need it

        tries = Tries(backend, started)
    await tries.wait_after(error)
    return tries


def _closeable(backend: ModelAPI, answer: Any) -> AsyncGenerator[Any, None]:
    """Return an iterator that can be closed: the backend's own, or a generator over it.

    Raises:
        MalformedResponseError: It is none.
    """
    if isinstance(answer, AsyncGeneratorType):
        return answer
    if not isinstance(answer, AsyncIterator):
        raise _no_generator(backend, answer)
    if hasattr(answer, "aclose"):
        return answer  # type: ignore[return-value]  # as good as an asynchronous generator

    async def over() -> AsyncGenerator[Any, None]:
        async for chunk in answer:
            yield chunk

    return over()


def _no_generator(backend: ModelAPI, answer: object) -> MalformedResponseError:
    if inspect.iscoroutine(answer):
        answer.close()
    return _malformed_stream(
        backend,
        f"returned {type(answer).__name__}",
        "Make it an asynchronous generator: `async def` with `yield`.",
    )


def _malformed_stream(backend: ModelAPI, what: str, hint: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{type(backend).__name__}.stream_chat of backend {backend.described()} {what}.",
        hint=hint,
        backend=backend.provider,
        model_id=backend.model_id,
    )
