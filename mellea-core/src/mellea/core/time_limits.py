"""How long a generation may take and how often it is asked for, and what is left of the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from mellea.core.errors import ProviderTimeoutError, UsageError
from mellea.core.options import ModelOption

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI

__all__ = [
    "Clock",
    "TimeLimits",
    "check_retries",
    "has_deadline",
    "has_stand_in",
    "retries_told",
    "seconds_left",
    "stand_in",
    "waiting",
    "within",
]

_IDLE = 120.0
"""The longest wait for a piece of a stream, in seconds, unless the options say otherwise."""
_TOTAL = 1800.0
"""The longest that one generation may take, in seconds, unless the options say otherwise."""


@frozen
class TimeLimits:
    """How long a generation may take, and how often it may be asked for again.

    Args:
        idle: Seconds between two pieces, or before a whole answer; None for no bound.
        total: Seconds in all; None for no bound.
        retries: How often it may be asked for again; None as the backend says.
    """

    idle: float | None
    total: float | None
    retries: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], *, stream: bool) -> Self:
        """Return the limits that a call's options set, or the usual ones."""
        idle = options.get(ModelOption.STREAM_TIMEOUT, _IDLE if stream else None)
        retries = options.get(ModelOption.MAX_RETRIES)
        return cls(idle, options.get(ModelOption.TIMEOUT, _TOTAL), retries)

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


class Clock:
    """Cancels the current task when a limit is reached.

    One timer serves a whole stream: a reset is one clock reading, and the timer moves itself when it goes off
    early.
    """

    def __init__(self, limits: TimeLimits) -> None:
        self.limits = limits
        self.expired = False
        self.stopped = False
        self._was_idle = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to count, for the task that runs."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self.started = self._last = self._loop.time()
        self._set()
        _running.set(self)

    def reset(self) -> None:
        """Note that something came."""
        self._last = self._loop.time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count no silence in a block; the limit on the whole goes on."""
        self._last = float("inf")
        try:
            yield
        finally:
            self.reset()
            if self._timer is not None and not self.stopped:
                self._timer.cancel()
                self._set()

    def stop(self) -> None:
        """Let nothing expire any more."""
        self.stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._task = None  # the task's context holds the clock: no circle to collect

    def left(self) -> float:
        """Return the seconds until the nearer limit."""
        return min(self._deadlines()) - self._loop.time()

    def error(self, backend: ModelAPI) -> ProviderTimeoutError:
        """Return the error for the limit that was reached."""
        return self.limits.error(backend, idle=self._was_idle)

    def _deadlines(self) -> tuple[float, float]:
        idle, total = self.limits.idle, self.limits.total
        return (
            float("inf") if idle is None else self._last + idle,
            float("inf") if total is None else self.started + total,
        )

    def _set(self) -> None:
        if (due := min(self._deadlines())) != float("inf"):
            self._timer = self._loop.call_at(due, self._check)

    def _check(self) -> None:
        idle, total = self._deadlines()
        if self._loop.time() < min(idle, total):
            self._set()
        elif self._task is not None:
            self.expired, self._was_idle = True, idle < total
            self._task.cancel()


_running: ContextVar[Clock | None] = ContextVar("mellea_clock", default=None)
_deadline: ContextVar[float] = ContextVar("mellea_deadline", default=float("inf"))
"""When whatever runs here has to be done, by ``time.monotonic``."""
_has_stand_in: ContextVar[bool] = ContextVar("mellea_has_stand_in", default=False)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let what runs in a block know that it ends after some seconds, so that it begins no longer wait."""
    token = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def stand_in(there: bool) -> Iterator[None]:
    """Let what runs in a block know that another backend is there to be asked; where none is, leave it."""
    token = _has_stand_in.set(there or _has_stand_in.get())
    try:
        yield
    finally:
        _has_stand_in.reset(token)


def has_stand_in() -> bool:
    """Tell whether another backend is there to be asked."""
    return _has_stand_in.get()


def has_deadline() -> bool:
    """Tell whether what runs here is bounded in time from outside."""
    return _deadline.get() != float("inf")


def seconds_left() -> float:
    """Return how long the generation that is being carried out may still take, in seconds.

    For whoever waits before he asks again: the limits that a call's options, its budget or a composition set
    end it after that time.
    """
    clock = _running.get()
    limits = float("inf") if clock is None or clock.stopped else clock.left()
    return min(limits, _deadline.get() - time.monotonic())


def waiting() -> AbstractContextManager[None]:
    """Return a block in which silence is our own, and none of the provider's."""
    clock = _running.get()
    return nullcontext() if clock is None or clock.stopped else clock.paused()


def retries_told() -> int | None:
    """Return how often the running generation may be asked for again, if its options say so."""
    clock = _running.get()
    return None if clock is None else clock.limits.retries


def check_retries(value: object, *, name: str = "MAX_RETRIES") -> None:
    """See to it that a number of retries is one.

    Raises:
        UsageError: It is none.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise UsageError(
            f"{name} is {value!r}.", hint="Pass a number from 0 on, or None for as many as usual."
        )
