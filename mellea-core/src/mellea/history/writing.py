"""The thread that writes a history, so that no event loop waits for a disk.

What is handed over while it writes goes into one transaction with what comes next, which makes many calls at
once as cheap as one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from mellea.history.opening import open_file, why_not
from mellea.history.tables import TOKENS, KnownTextsError, Tables

__all__ = ["Writer", "shared_writer"]

Job: TypeAlias = Callable[[Tables], object]
_Waiter: TypeAlias = "threading.Event | tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]"
_Entry: TypeAlias = "tuple[Job, _Waiter | None]"

_log = logging.getLogger("mellea.history")
_MOST = 256
"""Jobs of one transaction."""
_PAUSE = 0.005
"""Seconds until the next transaction where several wait for one, so that it is one for several again."""


class Writer:
    """Writes into one file, in a thread of its own. See ``shared_writer``.

    What cannot be written is logged and counted; it raises nothing where a program waits for an answer.

    Args:
        path: The file.
        wait: Seconds to wait for other programs that write it.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, path: Path, wait: float) -> None:
        self.path = path
        self.lost = 0
        """How many records could not be written."""
        self._wait = wait
        self._holders = 0
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self.process = os.getpid()
        self._jobs: queue.SimpleQueue[list[_Entry] | None] = queue.SimpleQueue()
        self._deferred: deque[_Entry] = deque()
        self._due = 0.0
        self._file = open_file(self.path, wait=self._wait)
        try:
            self._tables = Tables(self._file)
            self._try()
        except sqlite3.Error as error:
            self._file.close()
            raise why_not(self.path, error) from error
        self._thread = threading.Thread(target=self._run, name="mellea-history", daemon=True)
        self._thread.start()

    def _try(self) -> None:
        """See whether the file takes records, before anything depends on it."""
        tables, about = self._tables, dict.fromkeys(("started", "seconds", *TOKENS), 0)
        self._file.execute("BEGIN IMMEDIATE")
        tables.session("", 0)
        tables.call("", "", {"started": 0})
        tables.request("", {}, [{"text": "?"}], call="", session="", about=about, sample=None)
        with suppress(KnownTextsError):
            tables.insert()
        self._file.execute("ROLLBACK")
        tables.forget()

    def defer(self, job: Job) -> None:
        """Hand something over that is written with what comes next."""
        self._deferred.append((job, None))

    def submit(self, job: Job) -> None:
        """Hand something over that is written at once, with what was deferred."""
        self._hand_over((job, None))

    def write(self, job: Job) -> asyncio.Future[None]:
        """Write something, and what was deferred, and return what is done then, in the order of the calls.

        What cannot be written is counted.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._hand_over((job, (loop, done)))
        return done

    def write_soon(self, job: Job) -> asyncio.Future[None]:
        """Write something as ``write`` does, with what else comes within milliseconds."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._deferred.append((job, (loop, done)))
        if (now := loop.time()) >= self._due:
            self._due = now + _PAUSE
            loop.call_later(_PAUSE, self._hand_over)
        return done

    def flush(self) -> None:
        """Write what was handed over, and wait for that in this thread."""
        done = threading.Event()
        self._hand_over((lambda _: None, done))
        done.wait()

    def _hand_over(self, *last: _Entry) -> None:
        entries = []
        with suppress(IndexError):
            while True:
                entries.append(self._deferred.popleft())
        if entries or last:
            self._jobs.put([*entries, *last])

    def hold(self) -> None:
        """Count one more who writes."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Count one less; with the last one the file is closed, once all is written."""
        if self.process != os.getpid():
            return
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
        with _opening:
            if _writers.get(str(self.path)) is self:
                del _writers[str(self.path)]
        self._jobs.put([*self._deferred])
        self._jobs.put(None)
        if threading.current_thread() is not self._thread:  # what holds it may end anywhere
            self._thread.join()
        if self.lost:
            _log.error("The history %s lacks %d records that could not be written.", self.path, self.lost)

    def _run(self) -> None:
        ends = False
        while not ends:
            batch: list[_Entry] = []
            while not ends and (not batch or (len(batch) < _MOST and not self._jobs.empty())):
                entries = self._jobs.get()
                ends = entries is None
                batch += entries or ()
            if batch:
                self._write([job for job, _ in batch])
                waiters = [waiter for _, waiter in batch if waiter is not None]
                _wake(waiters)
                if len(waiters) > 1:
                    time.sleep(_PAUSE)
        self._file.close()

    def _write(self, jobs: list[Job]) -> None:
        """Write jobs together; if that fails each by itself, so that none is lost for another."""
        if self._committed(jobs) is not None:
            for job in jobs:
                if (error := self._committed([job])) is not None:
                    self._note_loss(error)

    def _committed(self, jobs: list[Job]) -> Exception | None:
        """Write jobs in one transaction, and return what kept them from it."""
        try:
            while not self._inserted(jobs):
                self._file.execute("ROLLBACK")
                self._tables.forget()
            self._file.execute("COMMIT")
            self._tables.committed()
        except Exception as error:  # noqa: BLE001  whatever it is, the program that waits gets its answer
            self._tables.forget()
            try:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
            except sqlite3.Error:
                _log.debug("A transaction could not be rolled back.", exc_info=True)
            return error
        return None

    def _inserted(self, jobs: list[Job]) -> bool:
        """Begin a transaction with jobs; tell whether it may be committed, or is to be begun anew."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                job(self._tables)
            self._tables.insert()
        except KnownTextsError:
            return False
        return True

    def _note_loss(self, error: Exception) -> None:
        self.lost += 1
        if self.lost == 1:
            said = why_not(self.path, error) if isinstance(error, sqlite3.Error) else error
            _log.error(
                "A call is missing in the history, and the program goes on. %s",
                said,
                exc_info=None if isinstance(error, sqlite3.Error) else error,
            )


def _wake(waiters: Sequence[_Waiter]) -> None:
    """Let those go on that wait for what was written, each loop's at once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        if isinstance(waiter, threading.Event):
            waiter.set()
        else:
            by_loop.setdefault(waiter[0], []).append(waiter[1])
    for loop, futures in by_loop.items():
        with suppress(RuntimeError):  # it was closed meanwhile
            loop.call_soon_threadsafe(_settle, futures)


def _settle(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


_writers: dict[str, Writer] = {}
_opening = threading.Lock()
_left_behind: list[Any] = []
"""Of a parent process: SQLite forbids to use, and to close, a connection there."""


def shared_writer(path: Path, wait: float) -> Writer:
    """Return the writer of a file in this process; whoever gets it releases it.

    Raises:
        UsageError: The file cannot be written.
    """
    where = Path(os.path.realpath(path))
    with _opening:
        writer = _writers.get(str(where))
        if writer is None or not where.exists():
            writer = _writers[str(where)] = Writer(where, wait)
        writer.hold()
        return writer


def _begin_anew() -> None:
    """Forget, in a forked child, the connections and threads of its parent."""
    global _opening  # noqa: PLW0603  the parent's may be held for ever
    _opening = threading.Lock()
    _left_behind.extend(_writers.values())
    _writers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
