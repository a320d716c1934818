"""How long a generation may take, and what is left of that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from mellea.core.errors import ProviderTimeoutError
from mellea.core.options import ModelOption

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI

__all__ = ["Clock", "TimeLimits", "seconds_left"]

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


class Clock:
    """Cancels the current task when a limit is reached.

    One timer serves a whole stream: a reset is one clock reading, and the timer moves itself when it goes off
    early.
    """

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self.expired = False
        self.stopped = False
        self._was_idle = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to count, for the task that runs."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._started = self._last = self._loop.time()
        self._set()
        _running.set(self)

    def reset(self) -> None:
        """Note that something came."""
        self._last = self._loop.time()

    def stop(self) -> None:
        """Let nothing expire any more."""
        self.stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def left(self) -> float:
        """Return the seconds until the nearer limit."""
        return min(self._deadlines()) - self._loop.time()

    def error(self, backend: ModelAPI) -> ProviderTimeoutError:
        """Return the error for the limit that was reached."""
        return self._limits.error(backend, idle=self._was_idle)

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
            self.expired, self._was_idle = True, idle < total
            self._task.cancel()


_running: ContextVar[Clock | None] = ContextVar("mellea_clock", default=None)


def seconds_left() -> float:
    """Return how long the generation that is being carried out may still take, in seconds.

    For a backend that waits by itself: the limits that a call's options set cancel it after that time.
    """
    clock = _running.get()
    return float("inf") if clock is None or clock.stopped else clock.left()
