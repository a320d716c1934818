"""Calls of a library that blocks, as a backend needs them: each in a thread, its pieces as they come.

A library that computes in this process often has calls that return when all is done, and take a function that
they call with each piece. On an event loop such a call is an asynchronous generator. It ends when nobody
reads it any more, when its backend is closed, and when the process ends: a thread that comes back from native
code into an interpreter that has ended takes the process down with it.

What has threads of its own does not survive a fork: in the child it is neither used nor finalised.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import functools
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import aclosing
from contextvars import copy_context
from typing import Any, Generic, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from attrs import field, frozen

from mellea.core.errors import ClosedError, UsageError
from mellea.core.event_loop import in_thread

__all__ = ["BlockingCalls", "HandOn", "shared"]

T = TypeVar("T")
L = TypeVar("L")

HandOn: TypeAlias = Callable[[T], bool]
"""What a call hands its pieces to; it returns whether the call has to end."""

PATIENCE = 5.0
"""Seconds that calls which have to end are waited for."""


class BlockingCalls(Generic[L]):
    """The calls of one backend. Any number of threads and event loops may make some.

    Args:
        backend: The backend's name, for errors.
        library: What the calls are made on, such as a loaded model. It is let go of when they are closed.
    """

    def __init__(self, backend: str, library: L) -> None:
        self._backend = backend
        self._library: list[L] = [library]
        self._pid = os.getpid()

    async def stream(self, call: Callable[[L, HandOn[T]], object]) -> AsyncGenerator[T, None]:
        """Make a call, in a daemon thread of its own, and yield its pieces as they come.

        Args:
            call: Makes it. It gets the library and the function that takes the pieces, and has to end soon
                after that has returned True.

        Raises:
            ClosedError: They are closed, or the process ends.
            UsageError: They were made in the parent of this process.
            Exception: What the call raised.
        """
        on_library = functools.partial(call, self._usable())
        running = _Call(self)
        running.start(on_library, self._backend)
        del on_library  # only the thread keeps the library
        try:
            while not isinstance(piece := await running.pieces.get(), _End):
                yield piece
            if piece.error is not None:
                raise piece.error
            if running.must_end.is_set():
                raise self._closed_error()
        finally:
            running.must_end.set()

    async def result(self, call: Callable[[L], T]) -> T:
        """Make a call that hands on nothing before its end, in a thread, and return its result.

        A cancelled caller leaves the call to itself.

        Args:
            call: Makes it.

        Raises:
            ClosedError: They are closed, or the process ends.
            UsageError: They were made in the parent of this process.
            Exception: What the call raised.
        """

        def once(library: L, hand_on: HandOn[T]) -> None:
            hand_on(call(library))

        async with aclosing(self.stream(once)) as results:
            return await anext(results)

    async def aclose(self) -> None:
        """End the calls that are under way, wait for them a while, and let go of the library."""
        if self._pid != os.getpid():
            return
        self._library.clear()
        mine = [call for call in list(_running) if call.owner is self]
        for call in mine:
            call.must_end.set()
        if mine:
            await in_thread(_wait_for, mine)

    def _usable(self) -> L:
        if self._pid != os.getpid():
            raise UsageError(
                f"Backend {self._backend!r} was made before the process forked, and does not survive that.",
                hint="Make the backend in the child process.",
                backend=self._backend,
            )
        if _ending.is_set() or not self._library:
            raise self._closed_error()
        return self._library[0]

    def _closed_error(self) -> ClosedError:
        why = "the process ends" if _ending.is_set() else "it is closed"
        return ClosedError(
            f"Backend {self._backend!r} answers no more: {why}.",
            hint="Make a new one, and close it when its answers have been read.",
            backend=self._backend,
        )


def shared(key: Hashable, make: Callable[[], L]) -> L:
    """Return what others in this process have under a key; it is freed when nobody holds it any more.

    Args:
        key: What it is, with all its settings; of the module that asks.
        make: Makes it, where nobody has it.
    """
    found: L | None = _shared.get(key)
    if found is None:
        found = _shared[key] = make()
    return found


_shared: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()


@frozen
class _End:
    error: BaseException | None


@frozen(eq=False)
class _Call:
    """A call in its thread.

    Args:
        owner: Whose call it is.
    """

    owner: BlockingCalls[Any]
    loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop)
    pieces: asyncio.Queue[Any] = field(factory=asyncio.Queue)
    must_end: threading.Event = field(factory=threading.Event)
    has_ended: threading.Event = field(factory=threading.Event)

    def start(self, call: Callable[[HandOn[Any]], object], name: str) -> None:
        _running.add(self)
        work = functools.partial(copy_context().run, self._run, call)
        threading.Thread(target=work, name=f"mellea-{name}", daemon=True).start()

    def _run(self, call: Callable[[HandOn[Any]], object]) -> None:
        error: BaseException | None = None
        try:
            call(self._hand_on)
        except BaseException as raised:  # noqa: BLE001  whoever reads gets it
            error = raised
        finally:
            self._put(_End(error))
            _running.discard(self)
            self.has_ended.set()

    def _hand_on(self, piece: Any) -> bool:
        if not self.must_end.is_set():
            self._put(piece)
        return self.must_end.is_set()

    def _put(self, piece: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)
        except RuntimeError:  # the loop has ended, and whoever read with it
            self.must_end.set()


_running: set[_Call] = set()
_ending = threading.Event()


def _wait_for(calls: Iterable[_Call]) -> None:
    deadline = time.monotonic() + PATIENCE
    for call in calls:
        call.has_ended.wait(max(0.0, deadline - time.monotonic()))


@atexit.register
def _end_all() -> None:
    _ending.set()
    calls = list(_running)
    for call in calls:
        call.must_end.set()
    _wait_for(calls)


def _leave_to_parent() -> None:
    """In a forked child: the threads of the parent do not exist here, and finalisers would wait for them."""
    _running.clear()
    for each in list(_shared.values()):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
    _shared.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
