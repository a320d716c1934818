"""A backend's chunks as the pipeline takes them.

Bounded in time, checked, with the backend's errors in our words.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self

from attrs import frozen

from mellea.core.errors import MalformedResponseError, MelleaError, ProviderError, ProviderTimeoutError
from mellea.core.model_api import ModelAPI
from mellea.core.options import ModelOption
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk

__all__ = ["TimeLimits", "bounded", "stream_chunks"]

_IDLE = 120.0
"""The longest wait for a piece of a stream, in seconds, unless the options say otherwise."""
_TOTAL = 1800.0
"""The longest that one generation may take, in seconds, unless the options say otherwise."""


@frozen
class TimeLimits:
    """How long a generation may take.

    Args:
        idle: Seconds between two pieces, or before a whole answer; None for no bound.
        total: Seconds in all; None for no bound.
    """

    idle: float | None
    total: float | None

    @classmethod
    def of(cls, options: Mapping[str, Any], *, stream: bool) -> Self:
        """Return the limits that a call's options set, or the usual ones."""
        idle = options.get(ModelOption.STREAM_TIMEOUT, _IDLE if stream else None)
        return cls(idle, options.get(ModelOption.TIMEOUT, _TOTAL))

    def error(self, backend: ModelAPI, *, idle: bool) -> ProviderTimeoutError:
        """Return the error for a limit that was reached."""
        option, seconds = ("STREAM_TIMEOUT", self.idle) if idle else ("TIMEOUT", self.total)
        said = "sent nothing" if idle else "was not done"
        after = "for" if idle else "after"
        return ProviderTimeoutError(
            f"Backend {backend.provider!r} {said} {after} {seconds:g} seconds.",
            hint=f"Raise ModelOption.{option}, or look whether the server still works.",
            backend=backend.provider,
            model_id=backend.model_id,
        )


class _Clock:
    """Cancels the current task when a limit is reached.

    One timer serves a whole stream: a reset is one clock reading, and the timer moves itself when it goes off
    early.
    """

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._started = self._last = self._loop.time()
        self.expired = False
        self.was_idle = False
        self._timer: asyncio.TimerHandle | None = None
        self._set()

    def reset(self) -> None:
        """Note that something came."""
        self._last = self._loop.time()

    def stop(self) -> None:
        """Let nothing expire any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _deadlines(self) -> tuple[float, float]:
        idle, total = self._limits.idle, self._limits.total
        return (
            float("inf") if idle is None else self._last + idle,
            float("inf") if total is None else self._started + total,
        )

    def _set(self) -> None:
        if (due := min(self._deadlines())) != float("inf"):
            self._timer = self._loop.call_at(due, self._check)

    def _check(self) -> None:
        idle, total = self._deadlines()
        if self._loop.time() < min(idle, total):
            self._set()
        elif self._task is not None:
            self.expired, self.was_idle = True, idle < total
            self._task.cancel()


@asynccontextmanager
async def bounded(backend: ModelAPI, limits: TimeLimits) -> AsyncIterator[_Clock]:
    """Bound what a backend does in time, and turn what it raises into errors of ours.

    Raises:
        ProviderTimeoutError: A limit was reached.
        MelleaError: The backend failed.
    """
    clock = _Clock(limits)
    try:
        yield clock
    except asyncio.CancelledError:
        if clock.expired:
            raise limits.error(backend, idle=clock.was_idle) from None
        raise
    except MelleaError:
        raise
    except Exception as error:
        raise _translated(backend, error) from error
    finally:
        clock.stop()


async def stream_chunks(
    backend: ModelAPI, request: ChatRequest, limits: TimeLimits
) -> AsyncGenerator[Chunk, None]:
    """Iterate over the chunks of an answer. Only what brings the answer on counts as a sign of life.

    Raises:
        ProviderTimeoutError: A limit was reached.
        MalformedResponseError: The backend yields something else than chunks, or nothing at all.
        MelleaError: The backend failed.
    """
    async with bounded(backend, limits) as clock:
        answer = backend.stream_chat(request)
        if not isinstance(answer, AsyncIterator):
            raise _no_generator(backend, answer)
        some = False
        async with aclosing(_closeable(answer)) as chunks:
            async for chunk in chunks:
                some = True
                if not isinstance(chunk, Chunk):
                    raise _malformed(
                        backend, f"yielded {type(chunk).__name__}", "Yield mellea.core.Chunk values."
                    )
                if chunk.text or chunk.thinking or chunk.finish_reason:
                    clock.reset()
                yield chunk
        if not some:
            raise _malformed(
                backend, "ended without a chunk", "Yield at least one, even for an empty answer."
            )


def _closeable(answer: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """Return an iterator that can be closed: the backend's own, or a generator over it."""
    if hasattr(answer, "aclose"):
        return answer  # type: ignore[return-value]  # an asynchronous generator, or as good as one

    async def over() -> AsyncGenerator[Chunk, None]:
        async for chunk in answer:
            yield chunk

    return over()


def _no_generator(backend: ModelAPI, answer: object) -> MalformedResponseError:
    if inspect.iscoroutine(answer):
        answer.close()
    return _malformed(
        backend,
        f"returned {type(answer).__name__}",
        "Make it an asynchronous generator: `async def` with `yield`.",
    )


def _malformed(backend: ModelAPI, what: str, hint: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{type(backend).__name__}.stream_chat of backend {backend.provider!r} {what}.",
        hint=hint,
        backend=backend.provider,
        model_id=backend.model_id,
    )


def _translated(backend: ModelAPI, error: Exception) -> MelleaError:
    """Return our error for one that a backend or its library raised."""
    try:
        ours = backend.translate_error(error)
    except Exception as failure:  # noqa: BLE001  the error that was to be translated matters more
        ours = None
        error.add_note(
            f"{type(backend).__name__}.translate_error raised {type(failure).__name__}: {failure}."
        )
    return ours or ProviderError(
        f"Backend {backend.provider!r} failed: {type(error).__name__}: {error}.",
        hint="The original error is chained to this one.",
        backend=backend.provider,
        model_id=backend.model_id,
    )
