"""Waiting for outputs, and handing on what a provider streams."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from mellea.backends.cache import SimpleLRUCache
from mellea.core.thunk import ModelOutputThunk

__all__ = [
    "DEFAULT_CHUNK_TIMEOUT",
    "ClientCache",
    "get_current_event_loop",
    "send_to_queue",
    "wait_for_all_mots",
]

DEFAULT_CHUNK_TIMEOUT = 120.0


async def wait_for_all_mots(mots: Iterable[ModelOutputThunk[Any]]) -> None:
    """Wait, side by side, until every output is computed.

    Raises:
        MelleaError: The error of the first one that fails.
    """
    await asyncio.gather(*(mot.avalue() for mot in mots))


def get_current_event_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running event loop; None outside of one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class ClientCache(SimpleLRUCache):
    """Keeps the clients that were used last."""


async def send_to_queue(
    source: AsyncIterator[Any] | Coroutine[Any, Any, Any],
    queue: asyncio.Queue[Any],
    *,
    chunk_timeout: float | None = DEFAULT_CHUNK_TIMEOUT,
    on_timeout: Callable[[], Any] | None = None,
) -> None:
    """Put what a source gives into a queue, and then its end: None, or the error that ended it.

    Args:
        source: An asynchronous iterator, or a coroutine that returns one or a single value.
        queue: The queue.
        chunk_timeout: The longest wait for the next item, in seconds; None waits for ever.
        on_timeout: Called when that is over; what it raises is lost.
    """
    try:
        given = await asyncio.wait_for(source, chunk_timeout) if inspect.isawaitable(source) else source
        if not hasattr(given, "__anext__") and not hasattr(given, "__aiter__"):
            await queue.put(given)
        else:
            items = aiter(given)
            while (item := await asyncio.wait_for(anext(items, _END), chunk_timeout)) is not _END:
                await queue.put(item)
    except TimeoutError as error:
        await queue.put(_timeout(error, chunk_timeout))
        if on_timeout is not None:
            _call_safely(on_timeout)
    except Exception as error:  # noqa: BLE001  whoever reads the queue gets it
        await queue.put(error)
    else:
        await queue.put(None)


_END = object()


def _timeout(error: TimeoutError, seconds: float | None) -> TimeoutError:
    """Return the error of a wait that was too long; one that the source raised by itself stays."""
    if error.args or seconds is None:
        return error
    return TimeoutError(f"Nothing came for {seconds:g} seconds. Raise ModelOption.STREAM_TIMEOUT.")


def _call_safely(callback: Callable[[], Any]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001  the reader has the true reason already
        return
