"""The library's event-loop threads, and values that belong to one loop each.

Every verb is a coroutine. A synchronous verb hands its coroutine to a loop that runs in a thread of the library's own;
a synchronous call made *on* that loop (from a callback) goes to the next loop, one per level of nesting, so that no call
waits for the loop it blocks. The threads are daemons, stopped and joined at exit, and made anew after a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["LoopLocal", "run_sync", "waits_for_this_call"]

T = TypeVar("T")


class _LoopThread:
    """One event loop in one daemon thread."""

    def __init__(self, depth: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name=f"mellea-loop-{depth}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=5)


_threads: list[_LoopThread] = []
_threads_lock = threading.Lock()
_blocked: ContextVar[tuple[asyncio.AbstractEventLoop, ...]] = ContextVar("mellea_blocked_loops", default=())


def _loop_for_this_thread() -> asyncio.AbstractEventLoop:
    """Return the library loop that this thread may wait for: the first, or the one after its own."""
    current = threading.current_thread()
    with _threads_lock:
        depth = next((index + 1 for index, entry in enumerate(_threads) if entry.thread is current), 0)
        if depth == len(_threads):
            _threads.append(_LoopThread(depth))
        return _threads[depth].loop


def run_sync(coroutine: Coroutine[Any, Any, T], *, starts_only: bool = False) -> T:
    """Run a coroutine on the library's loop and return its result.

    Works in a plain script, in a running loop (which it blocks meanwhile), in any thread, and nested. The caller's context
    variables are visible to the coroutine. An interrupt cancels the coroutine.

    Args:
        coroutine: What to run.
        starts_only: Whether the coroutine only starts work that goes on after it has returned.
    """
    here = asyncio._get_running_loop()
    token = _blocked.set((*_blocked.get(), here)) if here is not None and not starts_only else None
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, _loop_for_this_thread())
    finally:
        if token is not None:
            _blocked.reset(token)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def waits_for_this_call(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is blocked by the synchronous call that the current task serves."""
    return loop in _blocked.get()


@atexit.register
def _stop_threads() -> None:
    with _threads_lock:
        stopping, _threads[:] = list(_threads), []
    for entry in reversed(stopping):
        entry.stop()


def _forget_threads() -> None:
    """In a forked child: the parent's threads do not exist here."""
    global _threads_lock
    _threads_lock = threading.Lock()
    _threads.clear()


os.register_at_fork(after_in_child=_forget_threads)


class LoopLocal(Generic[T]):
    """One value for each running event loop, such as a network client; closed with the loop or by ``aclose``.

    Each value is held by an asynchronous generator on its loop, so that a loop which shuts down its asynchronous generators
    (as ``asyncio.run`` does) closes the value too.

    Args:
        make: Makes the value of the running loop.
        close: Closes a value, on its loop.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Coroutine[Any, Any, None]]) -> None:
        self._make = make
        self._close = close
        self._entries: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = WeakKeyDictionary()
        self._pid = os.getpid()
        self._inherited: list[object] = []

    def _leave_to_parent(self) -> None:
        """In a forked child: never touch, nor finalise, what belongs to the parent's loops."""
        if self._pid != os.getpid():
            self._inherited.append(self._entries)
            self._entries, self._pid = WeakKeyDictionary(), os.getpid()

    async def get(self) -> T:
        """Return the running loop's value, made at the first call."""
        self._leave_to_parent()
        loop = asyncio.get_running_loop()
        entry = self._entries.get(loop)
        if entry is None:
            value = self._make()
            entry = self._entries[loop] = (value, self._keep(value))
            await anext(entry[1])
        return entry[0]

    async def _keep(self, value: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._close(value)

    async def aclose(self) -> None:
        """Close every value whose loop still runs; later calls of ``get`` make new ones."""
        self._leave_to_parent()
        entries, self._entries = self._entries, WeakKeyDictionary()
        here = asyncio.get_running_loop()
        for loop, (_, keeper) in list(entries.items()):
            if loop is here:
                await keeper.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_aclose(keeper), loop)
                await asyncio.wrap_future(closing)


async def _aclose(generator: AsyncGenerator[None, None]) -> None:
    await generator.aclose()
