"""A backend's chunks as the pipeline takes them.

Bounded in time, checked, with the backend's errors in our words.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from types import AsyncGeneratorType, TracebackType
from typing import Any

from mellea.core._error_words import words_of
from mellea.core.errors import MalformedResponseError, MelleaError, ProviderError
from mellea.core.model_api import ModelAPI
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk
from mellea.core.time_limits import Clock, TimeLimits

__all__ = ["InTime", "make_ready", "take_chunks"]


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
        elif isinstance(error, MelleaError):
            if error.__cause__ is not None and not isinstance(error.__cause__, MelleaError):
                _cut_off(error.__cause__)
            _blank(error, self._backend)
        elif isinstance(error, Exception):
            ours = _translate(self._backend, error)
            if ours is None:
                ours = _unknown(self._backend, error)
            else:
                _cut_off(error)
            ours.__cause__ = error
            _blank(ours, self._backend)
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
    with InTime(backend, limits) as clock:
        answer = backend.stream_chat(request)
        chunks = answer if isinstance(answer, AsyncGeneratorType) else _closeable(backend, answer)
        some = False
        try:
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
        finally:
            await chunks.aclose()
        if not some:
            raise _malformed_stream(
                backend, "ended without a chunk", "Yield at least one, even for an empty answer."
            )


def _closeable(backend: ModelAPI, answer: Any) -> AsyncGenerator[Any, None]:
    """Return an iterator that can be closed: the backend's own, or a generator over it.

    Raises:
        MalformedResponseError: It is none.
    """
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


def _blank(error: MelleaError, backend: ModelAPI) -> None:
    """Blank what a backend, or the environment, keeps under the name of a secret."""
    from mellea.core.redaction import blank_error, secrets_within  # noqa: PLC0415  only failures need it

    blank_error(error, [*_secrets_of(backend), *secrets_within(os.environ)])


def _secrets_of(backend: ModelAPI) -> Iterator[str]:
    from mellea.core.redaction import secrets_within  # noqa: PLC0415  see above

    yield from secrets_within(vars(backend))
    for inner in backend.inner_backends:
        yield from _secrets_of(inner)


def _cut_off(error: BaseException) -> None:
    """Take from a provider's error what led to it in the libraries below.

    Our error says what went wrong; a hundred lines of other people's code before it do not.
    """
    error.__cause__ = error.__context__ = None
    error.__traceback__ = None


def _translate(backend: ModelAPI, error: Exception) -> MelleaError | None:
    """Return our error for one that a backend or its library raised; None for one that it does not know."""
    try:
        return backend.translate_error(error)
    except Exception as failure:  # noqa: BLE001  the error that was to be translated matters more
        error.add_note(
            f"{type(backend).__name__}.translate_error raised {type(failure).__name__}: {words_of(failure)}."
        )
    return None


def _unknown(backend: ModelAPI, error: Exception) -> ProviderError:
    return ProviderError(
        f"Backend {backend.described()} failed: {type(error).__name__}: {words_of(error)}.",
        hint="The original error is chained to this one.",
        backend=backend.provider,
        model_id=backend.model_id,
    )
