"""The library's event-loop threads, and what belongs to a loop or ends on one.

Every verb is a coroutine. A synchronous verb hands its coroutine to a loop that runs in a thread of the
library's own; a synchronous call made *on* that loop (from a callback) goes to the next loop, one per level
of nesting, so that no call waits for the loop it blocks. The threads are daemons, stopped and joined at exit,
and made anew after a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, Generic, ParamSpec, Self, TypeAlias, TypeVar
from weakref import WeakKeyDictionary, finalize, ref

from mellea.core.call_site import calling_from_here

__all__ = [
    "Closeable",
    "LoopLocal",
    "detached_context",
    "gather_or_cancel",
    "in_thread",
    "is_blocked_by_caller",
    "loop_apart",
    "run_sync",
    "running_loop",
    "synchronous",
]

P = ParamSpec("P")
T = TypeVar("T")


class _LoopThread:
    """One event loop in one daemon thread."""

    def __init__(self, name: int | str) -> None:
        self.loop = asyncio.new_event_loop()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, name=f"mellea-loop-{name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self._run_until_stopped()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks - _closing:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    def _run_until_stopped(self) -> None:
        """Run the loop, through what a task lets out of it.

        asyncio lets SystemExit and KeyboardInterrupt end the loop when a task raises them. Here they belong
        to whoever waits for that task, and gets them from it; everybody else's work goes on.
        """
        while not self.stopping:
            with suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()

    def stop(self) -> None:
        self.stopping = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=5)


PATIENCE = 1.0
"""Seconds after which a call goes to the next loop, if the first has not begun it.

A callback may block that loop while it waits for the very thread that makes the call.
"""

_closing: set[asyncio.Task[None]] = set()
"""Tasks that close what nobody holds any more; a loop that is stopped waits for them."""
_threads: list[_LoopThread] = []
_apart: dict[str, _LoopThread] = {}
_ending = False
"""Whether the process ends: the threads that still wait are daemons then."""
_threads_lock = threading.Lock()
_blocked: ContextVar[tuple[asyncio.AbstractEventLoop, ...]] = ContextVar("mellea_blocked_loops", default=())
_blocked_at_start: ContextVar[tuple[asyncio.AbstractEventLoop, ...]] = ContextVar(
    "mellea_blocked_at_start", default=()
)


def _loops_for_this_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield the library loops that this thread may wait for.

    From the first, or from the one after its own.
    """
    current = threading.current_thread()
    depth = next((index + 1 for index, entry in enumerate(_threads) if entry.thread is current), 0)
    while True:
        with _threads_lock:
            while depth >= len(_threads):
                _threads.append(_LoopThread(len(_threads)))
            if not _threads[depth].thread.is_alive():
                _threads[depth] = _LoopThread(depth)
            loop = _threads[depth].loop
        yield loop
        depth += 1


def loop_apart(name: str) -> asyncio.AbstractEventLoop:
    """Return the loop of a thread of its own.

    No code of the program's runs in it, so that whoever waits for it never blocks it.

    Args:
        name: Which one; it is made at the first call.
    """
    with _threads_lock:
        entry = _apart.get(name)
        if entry is None or not entry.thread.is_alive():
            entry = _apart[name] = _LoopThread(name)
        return entry.loop


def run_sync(coroutine: Coroutine[Any, Any, T], *, starts_only: bool = False) -> T:
    """Run a coroutine on the library's loop and return its result.

    Works in a plain script, in a running loop (which it blocks meanwhile), in any thread, and nested. The
    caller's context variables are visible to the coroutine. An interrupt cancels the coroutine.

    Args:
        coroutine: What to run.
        starts_only: Whether the coroutine only starts work that goes on after it has returned.
    """
    context = copy_context()
    context.run(calling_from_here())
    for loop in _loops_for_this_thread():
        claim = _Claim(coroutine, loop)
        try:
            future = context.run(_submit, claim.run(), starts_only, loop)
            try:
                return future.result(PATIENCE)
            except TimeoutError:
                begun = future.done() or not claim.is_taken_back()
            if begun:
                return future.result()
        except BaseException as error:
            claim.give_up()
            if _ending and isinstance(error, CancelledError):
                raise SystemExit from None  # a daemon thread ends without a word
            raise
    raise AssertionError  # the loops do not end


class _Claim(Generic[T]):
    """Whether a coroutine is run by a loop, or taken back by the caller that handed it over.

    An interrupt may come at any step of the caller, even before it holds what it waits for.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None

    async def run(self) -> T:
        """Run the coroutine, unless its caller has given up on this loop."""
        self._task = asyncio.current_task()
        if not self._lock.acquire(blocking=False):
            raise asyncio.CancelledError
        return await self._coroutine

    def is_taken_back(self) -> bool:
        """Take the coroutine back, if it is not begun; tell whether that was so."""
        return self._lock.acquire(blocking=False)

    def give_up(self) -> None:
        """Stop the coroutine, begun or not."""
        if self.is_taken_back():
            self._coroutine.close()
        elif self._task is not None and not self._task.done():
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._task.cancel)


def synchronous(verb: Callable[P, Coroutine[Any, Any, T]], *, starts_only: bool = False) -> Callable[P, T]:
    """Return the synchronous twin of a verb: the same arguments, and a name without the leading ``a``.

    Args:
        verb: A coroutine function or method.
        starts_only: Whether it only starts work that goes on after it has returned.
    """

    @functools.wraps(verb)
    def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_sync(verb(*args, **kwargs), starts_only=starts_only)

    name = verb.__name__
    twin.__name__ = name.removeprefix("a")
    twin.__qualname__ = f"{verb.__qualname__.removesuffix(name)}{twin.__name__}"
    if verb.__doc__:
        twin.__doc__ = f"{inspect.cleandoc(verb.__doc__)}\n\nNote:\n    The synchronous twin of ``{name}``."
    return twin


def _submit(
    coroutine: Coroutine[Any, Any, T], starts_only: bool, loop: asyncio.AbstractEventLoop
) -> Future[T]:
    """Hand a coroutine to a loop, with a note of the loop that waits for it. Runs in a context of its own."""
    here = running_loop()
    if here is not None:
        _blocked.set((*_blocked.get(), here))
    _blocked_at_start.set((*_blocked_at_start.get(), here) if starts_only and here is not None else ())
    return asyncio.run_coroutine_threadsafe(coroutine, loop)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def detached_context() -> Context:
    """Return the context for work that outlives the call that starts it, and then blocks no loop."""
    context = copy_context()
    if starting := _blocked_at_start.get():
        context.run(_blocked.set, tuple(loop for loop in _blocked.get() if loop not in starting))
    return context


def is_blocked_by_caller(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is blocked by the synchronous call that the current task serves."""
    return loop in _blocked.get()


@atexit.register
def _stop_threads() -> None:
    global _ending  # noqa: PLW0603  it is set once, at the end
    _ending = True
    with _threads_lock:
        stopping, _threads[:] = [*_threads, *_apart.values()], []
        _apart.clear()
    for entry in reversed(stopping):
        entry.stop()


def _forget_threads() -> None:
    """In a forked child: the parent's threads do not exist here."""
    global _threads_lock  # noqa: PLW0603  the parent may have held this lock when it forked
    _threads_lock = threading.Lock()
    _threads.clear()
    _apart.clear()


os.register_at_fork(after_in_child=_forget_threads)


async def gather_or_cancel(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what coroutines return, in their order; they run at the same time.

    When one fails, or the caller is cancelled, the others are stopped before the error goes on. The first
    error is raised as it is.
    """
    waiting = list(coroutines)
    if len(waiting) == 1:  # needs no task of its own
        return [await waiting[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in waiting]
        return [task.result() for task in tasks]
    except BaseExceptionGroup as failed:
        first = failed.exceptions[0]
    try:
        raise first
    finally:
        del first  # its traceback holds this frame


class Closeable:
    """Gives ``close``, ``with`` and ``async with`` to what has ``aclose``."""

    async def aclose(self) -> None:
        """Release what is held. Calling it again does nothing."""

    def close(self) -> None:
        """Synchronous twin of ``aclose``."""
        run_sync(self.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function returns that runs in a daemon thread of its own, in the caller's context.

    A cancelled caller leaves the thread to itself; it holds up neither the loop nor the end of the process.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)

    def work() -> None:
        value: Any = None
        failed: BaseException | None = None
        try:
            value = context.run(function, *arguments)
        except StopIteration as error:  # which no future takes
            failed = RuntimeError(f"{function!r} raised StopIteration({error})")
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            failed = error
        with suppress(RuntimeError):  # the loop has ended, and whoever waited with it
            loop.call_soon_threadsafe(settle, value, failed)

    threading.Thread(target=work, name="mellea-check", daemon=True).start()
    return await future


class LoopLocal(Generic[T]):
    """One value for each running event loop, such as a network client; closed with the loop or by ``aclose``.

    Each value is held by an asynchronous generator on its loop, so that a loop which shuts down its
    asynchronous generators (as ``asyncio.run`` does) closes the value too. The value of an owner that nobody
    has closed, and nobody holds any more, is closed on its loop before it is let go.

    Args:
        make: Makes the value of the running loop.
        close: Closes a value, on its loop.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Coroutine[Any, Any, None]]) -> None:
        self._make = make
        self._close = close
        self._entries: WeakKeyDictionary[asyncio.AbstractEventLoop, _Entry[T]] = WeakKeyDictionary()
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
            keeper = _keep(value, self._close, functools.partial(_forget, ref(self), ref(loop)))
            dropped = finalize(self, _close_soon, ref(loop), keeper, os.getpid())
            dropped.atexit = False  # loops close their own then
            entry = self._entries[loop] = (value, keeper, dropped)
            await anext(keeper)
        return entry[0]

    def forget(self, loop: asyncio.AbstractEventLoop, value: T) -> None:
        """Let go of a value that is being closed."""
        entry = self._entries.get(loop)
        if entry is not None and entry[0] is value:
            entry[2].detach()
            del self._entries[loop]

    async def aclose(self) -> None:
        """Close every value whose loop still runs; later calls of ``get`` make new ones.

        A loop that is blocked by this very call closes its value once it goes on.
        """
        self._leave_to_parent()
        entries, self._entries = self._entries, WeakKeyDictionary()
        here = asyncio.get_running_loop()
        for loop, (_, keeper, dropped) in list(entries.items()):
            dropped.detach()
            if loop is here:
                await keeper.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_aclose(keeper), loop)
                if not is_blocked_by_caller(
                    loop
                ):  # otherwise it closes as soon as the caller lets the loop go on
                    await asyncio.wrap_future(closing)


_Entry: TypeAlias = "tuple[T, AsyncGenerator[None, None], finalize[Any, Any]]"
_of_parents: list[object] = []
"""In a forked child: what belongs to the parent's loops, which must not be finalised here."""


async def _keep(
    value: T, close: Callable[[T], Coroutine[Any, Any, None]], forget: Callable[[T], None]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        forget(value)
        await close(value)


def _forget(owner_of: ref[LoopLocal[T]], loop_of: ref[asyncio.AbstractEventLoop], value: T) -> None:
    """Let go of a value that its loop closes, so that a kept owner does not keep a loop that has ended."""
    owner, loop = owner_of(), loop_of()
    if owner is not None and loop is not None:
        owner.forget(loop, value)


def _close_soon(
    loop_of: ref[asyncio.AbstractEventLoop], keeper: AsyncGenerator[None, None], pid: int
) -> None:
    """Close a value on its loop, when its owner is gone. It may be called in any thread."""
    loop = loop_of()
    if pid != os.getpid():
        _of_parents.append(keeper)
    elif loop is not None and not loop.is_closed():
        with suppress(RuntimeError):  # it was closed a moment ago
            loop.call_soon_threadsafe(_start_closing, loop, keeper)


def _start_closing(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None, None]) -> None:
    task = loop.create_task(_aclose(keeper))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


async def _aclose(generator: AsyncGenerator[None, None]) -> None:
    await generator.aclose()
