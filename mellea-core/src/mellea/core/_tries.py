"""The tries of one request: whether a failure is one to ask again after, and when.

Loaded with the first failure. ``stamina`` counts and waits; what the provider asks for, and what time is
left, is ours. Tries are made where a real backend is asked and nowhere above: an error that went through them
says how many there were, and is not tried again by what stands in front.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from copy import copy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mellea.core._failures import translated
from mellea.core.errors import (
    MelleaError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    ServerError,
)
from mellea.core.model_api import ModelAPI
from mellea.core.options import ModelOption
from mellea.core.time_limits import has_stand_in, retries_told, seconds_left, waiting

if TYPE_CHECKING:
    from stamina import Attempt

__all__ = ["Tries"]

USUAL_RETRIES = 2
"""How often a request is sent again unless something else is said."""
LONGEST_WAIT = 60.0
"""A provider that asks to be left alone for longer, in seconds, is not asked again."""
FIRST_WAIT = 0.5
"""Before the second try, in seconds, where the provider says nothing; each further wait is twice as long."""
LAST_WAIT = 8.0
"""The longest of these waits, in seconds."""
JITTER = 0.5
"""How much longer, in seconds, a wait is at random, so that many requests do not come back together."""
_JITTER_BEHIND = 0.25
"""The same for a wait that the provider asks for, as a part of it."""

_log = logging.getLogger("mellea.requests")


class _FailedTryError(Exception):
    """What ``stamina`` and its instrumentation see of a failure: no word of the provider's.

    Args:
        error: The failure.
        wait: Seconds to wait; None for as long as usual.
    """

    def __init__(self, error: MelleaError, wait: float | None) -> None:
        super().__init__(f"{_kind(error)} of {error.backend} ({error.model_id})")
        self.wait = True if wait is None else wait


class Tries:
    """The tries of one request, from its first failure on.

    Args:
        backend: What is asked.
        started: When it was asked first, by the clock of the running loop.
    """

    def __init__(self, backend: ModelAPI, started: float) -> None:
        self._backend = backend
        self._started = started
        self._made = 0
        self._allowed = 1 + _retries_of(backend)
        self._steps: AsyncIterator[Attempt] | None = None
        self._step: Any = None

    async def wait_after(self, error: Exception) -> None:
        """Wait until the request may be sent again.

        Raises:
            Exception: ``error`` itself: it is none to ask again after.
            MelleaError: The same in our words: there were as many tries as allowed, or the next one would
                come too late.
        """
        self._made += 1
        ours = translated(self._backend, error)
        if ours is None or ours.tries or not _may_pass(ours):
            raise error
        if (why := await self._given_up(ours)) is not None:
            raise self._last(ours, error, why)

    async def _given_up(self, error: MelleaError) -> str | None:
        """Wait for the next try, or tell why there is none."""
        if self._made >= self._allowed:
            return f"Tried {self._times()}." if self._allowed > 1 else ""
        if self._steps is None:
            self._steps = _steps(self._allowed)
            self._step = await anext(self._steps)
        step: Attempt = self._step
        wait: float | None = None
        at_most = step.next_wait + JITTER
        if (asked := error.retry_after) is not None:
            at_most = wait = asked * random.uniform(1, 1 + _JITTER_BEHIND)  # noqa: S311  it guards nothing
            if asked > LONGEST_WAIT:
                longest = f"no request waits for longer than {LONGEST_WAIT:g}"
                return f"Tried {self._times()}: it asks for a wait of {asked:g} s, and {longest}."
        if at_most >= (left := seconds_left()):
            left_over = f"{max(left, 0.0):.1f} s are left"
            return f"Tried {self._times()}: the next try would come after {at_most:.1f} s, and {left_over}."
        _log.info(
            "%s (%s) failed: %s; it is asked again within %.1f s (try %d of %d)",
            *(self._backend.provider, self._backend.model_id, _kind(error)),
            *(at_most, self._made + 1, self._allowed),
        )
        with suppress(_FailedTryError), step:
            raise _FailedTryError(error, wait)
        try:
            with waiting():
                self._step = await anext(self._steps)
        except _FailedTryError:  # whoever set stamina up wants no more tries
            return ""
        return None

    def _times(self) -> str:
        seconds = asyncio.get_running_loop().time() - self._started
        return "once" if self._made == 1 else f"{self._made} times in {seconds:.1f} s"

    def _last(self, ours: MelleaError, error: Exception, more: str) -> MelleaError:
        """Return the error that ends the tries. It is a new one: a backend may raise one of its own again."""
        last = copy(ours)
        last.tries = self._made
        if more:
            last.message = f"{last.message} {more}"
            last.args = (f"{last.message} {last.hint}" if last.hint else last.message,)
        last.__cause__ = ours.__cause__ if ours is error else error
        return last.with_traceback(ours.__traceback__)


def _steps(allowed: int) -> AsyncIterator[Attempt]:
    """Return what counts the tries and waits between them."""
    import stamina  # noqa: PLC0415  only failures need it

    logging.getLogger("stamina").addFilter(_is_not_ours)
    return aiter(
        stamina.retry_context(
            on=lambda failed: failed.wait,  # type: ignore[attr-defined]  # a _FailedTryError
            attempts=allowed,
            timeout=None,
            wait_initial=FIRST_WAIT,
            wait_max=LAST_WAIT,
            wait_jitter=JITTER,
        )
    )


def _is_not_ours(record: logging.LogRecord) -> bool:
    """Tell whether a line of stamina's is about something else: ours stand in the log of requests."""
    return not str(vars(record).get("stamina.caused_by")).startswith(_FailedTryError.__name__)


def _retries_of(backend: ModelAPI) -> int:
    """Return how often a backend is asked again: as the call says, else its options, else its maker."""
    own = backend.options.canonical(backend.model_options).get(ModelOption.MAX_RETRIES)
    for said in (retries_told(), own, backend.max_retries):
        if said is not None:
            return int(said)
    return 0 if has_stand_in() else USUAL_RETRIES


def _may_pass(error: MelleaError) -> bool:
    """Tell whether a failure is worth another try at once.

    A time-out of our own is none: the same request is likely to take as long again, and its time is over.
    """
    if isinstance(error, ProviderTimeoutError):
        return error.status is not None
    if isinstance(error, ServerError):
        return error.status not in _LASTING
    return isinstance(error, RateLimitError | ProviderConnectionError)


_LASTING = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED})


def _kind(error: MelleaError) -> str:
    return f"{type(error).__name__}{f' ({error.status})' if error.status else ''}"
