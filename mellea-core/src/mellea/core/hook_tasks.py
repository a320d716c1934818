"""Handlers of hooks that nobody waits for, and what has to come to its end whoever is cancelled."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

from mellea.core.errors import MelleaError
from mellea.core.event_loop import is_blocked_by_caller

__all__ = [
    "discard_background_tasks",
    "drain_background_tasks",
    "start_background_task",
    "to_the_end",
]

_log = logging.getLogger("mellea.hooks")
_background: dict[asyncio.Task[Any], str | None] = {}
"""What runs, each with the session that it belongs to."""
_lock = threading.Lock()


def start_background_task(work: Coroutine[Any, Any, Any], session_id: str | None = None) -> asyncio.Task[Any]:
    """Start what nobody waits for, on the running loop; closing its session does."""
    task = asyncio.get_running_loop().create_task(work)
    with _lock:
        _background[task] = session_id
    task.add_done_callback(_forget)
    return task


def _forget(task: asyncio.Task[Any]) -> None:
    with _lock:
        _background.pop(task, None)
    if not task.cancelled():
        task.exception()  # it was logged, or raised to whoever waited


async def to_the_end(work: Coroutine[Any, Any, Any], session_id: str | None) -> None:
    """Wait until handlers were told that something has failed, even where the caller is cancelled meanwhile.

    What they decide about it is logged: the failure itself goes out.
    """

    async def logged() -> None:
        try:
            await work
        except MelleaError as error:
            _log.warning("%s The error that it was told goes out.", error.message)

    await asyncio.shield(start_background_task(logged(), session_id))


async def drain_background_tasks(session_id: str | None = None) -> None:
    """Wait for the handlers that nobody waits for: all, or those of a session's calls.

    Those of a loop that this very call blocks are left to it.
    """
    here, own = asyncio.get_running_loop(), asyncio.current_task()
    waiting: list[Any] = []
    for task in _tasks(session_id):
        loop = task.get_loop()
        if loop is here and task is not own:
            waiting.append(task)
        elif loop is not here and loop.is_running() and not is_blocked_by_caller(loop):
            waiting.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_waited(task), loop)))
    if waiting:
        await asyncio.wait(waiting)


async def _waited(task: asyncio.Task[Any]) -> None:
    await asyncio.wait([task])


def discard_background_tasks() -> None:
    """Stop the handlers that nobody waits for."""
    for task in _tasks(None):
        loop = task.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)


def _tasks(session_id: str | None) -> Iterable[asyncio.Task[Any]]:
    with _lock:
        return [
            task for task, owner in _background.items() if None in (session_id, owner) or session_id == owner
        ]
