"""A history: the file in which sessions keep what they do, and what it can be asked."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from mellea.core.errors import UsageError
from mellea.history import reading
from mellea.history.opening import read_file, why_not
from mellea.history.recorder import Recorder
from mellea.history.records import FoundText, RecordedCall, RecordedRequest, RecordedSession
from mellea.history.writing import Writer, shared_writer

__all__ = ["DEFAULT", "History", "open_history"]

T = TypeVar("T")

DEFAULT = "runs.db"
"""The file where none is named."""
_WAIT = 5.0


class History(Recorder):
    """A SQLite file with every request, answer, attempt and verdict of sessions.

    Several sessions, threads and processes may write one file. What a verb did is in it before the verb
    returns. Keys and other secrets are blanked, as in traces.

    ``start_session(history="runs.db")`` keeps a session's calls. A history is also a plugin, for
    ``plugins=[...]``, and a context manager, within which all calls are kept.

    Args:
        path: The file. It is made by the first session that writes it.
        wait: Seconds to wait for other programs that hold the file.
    """

    def __init__(self, path: str | os.PathLike[str], *, wait: float = _WAIT) -> None:
        super().__init__()
        self.path = Path(path)
        self._wait = wait
        self._held: Writer | None = None
        self._release: weakref.finalize[[], History] | None = None

    def writer(self) -> Writer:
        """Return what writes the file, which is made if it does not exist.

        Raises:
            UsageError: It cannot be written, or is no history.
        """
        if self._held is None or self._held.process != os.getpid():
            self._held = shared_writer(self.path, self._wait)
            self._release = weakref.finalize(self, self._held.release)
        return self._held

    @property
    def lost(self) -> int:
        """How many records could not be written, because the disk was full or the file held too long."""
        return 0 if self._held is None else self._held.lost

    def sessions(self, limit: int | None = None) -> list[RecordedSession]:
        """Return the sessions, the newest first.

        Args:
            limit: The most to return.

        Raises:
            UsageError: There is no such file, or it cannot be read.
        """
        return self._asked(lambda file: reading.read_sessions(file, limit))

    def session(self, beginning: str) -> RecordedSession:
        """Return the session whose id begins with a text.

        Raises:
            UsageError: There is none, or more than one.
        """
        return self._asked(lambda file: reading.find_session(file, beginning))

    def calls(self, session: str | None = None, limit: int | None = None) -> list[RecordedCall]:
        """Return the calls of verbs, the newest first.

        Args:
            session: The id of a session, for its calls alone.
            limit: The most to return.

        Raises:
            UsageError: There is no such file, or it cannot be read.
        """
        return self._asked(lambda file: reading.read_calls(file, session, limit))

    def call(self, number: int) -> RecordedCall:
        """Return the call of a number.

        Raises:
            UsageError: There is none.
        """
        return self._asked(lambda file: reading.find_call(file, number))

    def trace(self, call: int) -> dict[str, Any] | None:
        """Return the attempts of a call with their verdicts, as ``SamplingResult.to_dict`` gives them.

        None where nothing was sampled.

        Args:
            call: Its number.
        """
        return self._asked(lambda file: reading.as_trace(file, call))

    def requests(self, call: int) -> list[RecordedRequest]:
        """Return the requests of a call, those of judges included.

        Args:
            call: Its number.
        """
        return self._asked(lambda file: reading.read_requests(file, call))

    def answer(self, key: str, sample: int = 0) -> RecordedRequest | None:
        """Return a request that was answered, of whichever session; None if there is none.

        Args:
            key: What names the request: ``mellea.core.request_key.request_key(backend, request)``.
            sample: Which answer: a session that asks the same again draws anew, and counts from 0.
        """
        return self._asked(lambda file: reading.read_answer(file, key, sample))

    def search(self, words: str, limit: int | None = None) -> list[FoundText]:
        """Return the prompts and answers in which all words occur, the newest first.

        Args:
            words: The words; a star at the end of one stands for any ending.
            limit: The most to return.

        Raises:
            UsageError: There is no word, or no such file.
        """
        return self._asked(lambda file: reading.find_texts(file, words, limit))

    def export(self, session: str | None = None, *, call: int | None = None) -> Iterator[dict[str, Any]]:
        """Iterate over the calls with everything that is known of them as JSON values, the oldest first.

        Args:
            session: The id of a session, for its calls alone.
            call: The number of a call, for that alone.

        Raises:
            UsageError: There is no such file, or it cannot be read.
        """
        with closing(self._opened()) as file:
            try:
                yield from reading.exported_calls(file, session, call)
            except sqlite3.Error as error:
                raise why_not(self.path, error) from error

    def _asked(self, question: Callable[[sqlite3.Connection], T]) -> T:
        with closing(self._opened()) as file:
            try:
                return question(file)
            except sqlite3.Error as error:
                raise why_not(self.path, error) from error

    def _opened(self) -> sqlite3.Connection:
        if self._held is not None and self._held.process == os.getpid():
            self._held.flush()
        return read_file(self.path, wait=self._wait)

    async def initialize(self) -> None:
        """Open the file, as it is attached.

        Raises:
            UsageError: It cannot be written, or is no history.
        """
        self.writer()

    async def shutdown(self) -> None:
        """Close the file, as nothing is kept any more."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Write what is left, and close the file unless others write it. A later session opens it again."""
        release, self._release, self._held = self._release, None, None
        if release is not None:
            release()

    def __repr__(self) -> str:
        return f"History({str(self.path)!r})"


def open_history(given: str | os.PathLike[str] | History | bool) -> History:
    """Return the history that ``start_session`` is given, once it is known to be writable.

    Raises:
        UsageError: It cannot be written, or is no history.
    """
    if given is True:
        given = os.environ.get("MELLEA_HISTORY") or DEFAULT
    if not isinstance(given, History | str | os.PathLike):
        raise UsageError(f"{given!r} is no history.", hint='Name a file: history="runs.db".')
    history = given if isinstance(given, History) else History(given)
    history.writer()
    return history
