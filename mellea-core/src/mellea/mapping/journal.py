"""The journal of a map: what rows were answered and what came of them, in a history."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from mellea.core.event_loop import in_thread
from mellea.core.request_key import canonical
from mellea.history import History
from mellea.history.history import open_history
from mellea.history.opening import read_file
from mellea.history.reading import has_mapped, read_draws, read_mapped
from mellea.history.records import RecordedDraw, RecordedRow
from mellea.history.tables import ANSWER, Tables
from mellea.mapping.answers import Draw
from mellea.mapping.results import MappedRow, RowTask

__all__ = ["Journal", "NoJournal", "journal_of"]


class NoJournal:
    """Keeps nothing."""

    path = None

    def found(self, row: bytes, version: bytes) -> RecordedRow | None:
        """Return what came of a row: nobody knows."""
        return None

    def draws(self, row: bytes) -> list[RecordedDraw]:
        """Return what a row was answered: nobody knows."""
        return []

    async def draw_anew(self, row: bytes, version: bytes, trial: int) -> None:
        """Take note of nothing."""

    def keep_draw(self, draw: Draw) -> None:
        """Keep nothing."""

    def keep_call(self, call: dict[str, Any]) -> None:
        """Keep nothing."""

    def keep_row(self, task: RowTask, version: bytes, program: str, result: MappedRow) -> None:
        """Keep nothing."""

    async def settled(self) -> None:
        """Wait for nothing."""

    def begin(self, model: str | None) -> None:
        """Begin nothing."""

    async def end(self, error: str | None = None) -> None:
        """End nothing."""

    def discard(self) -> None:
        """Discard nothing."""


class Journal:
    """Keeps in a history what happens to rows. Several processes may write one.

    Args:
        history: The history.
        session: The id under which its calls stand there; by default a new one.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, history: History, session: str = "") -> None:
        self._history = history
        self._writer = history.writer()
        self._reader: sqlite3.Connection = read_file(history.path, wait=5.0)
        self._may_know = bool(session) or has_mapped(self._reader)
        self.path: str | os.PathLike[str] | None = history.path
        self.session = session or str(uuid.uuid4())
        """The id under which its calls stand in the history."""
        self._draws: dict[bytes, list[Draw]] = {}
        self._comes = False
        self._lock = threading.Lock()

    def begin(self, model: str | None) -> None:
        """Keep that a run begins."""
        started = time.time()
        self._writer.defer(lambda tables: tables.session(self.session, started, model))

    async def end(self, error: str | None = None) -> None:
        """Keep that a run ends, and close the file."""
        ended = time.time()
        self._writer.defer(self._waiting())
        await self._writer.write(lambda tables: tables.end_session(self.session, ended, error))
        await self.close()

    async def close(self) -> None:
        """Close the file, once all is written."""
        await in_thread(self.discard)

    def discard(self) -> None:
        """Close the file."""
        self._writer.defer(self._waiting())
        self._reader.close()
        self._history.close()

    def flush(self) -> None:
        """Return once all is written."""
        self._writer.defer(self._waiting())
        self._writer.flush()

    def found(self, row: bytes, version: bytes) -> RecordedRow | None:
        """Return what came of a row with a version of the program; None if it never went through it."""
        return read_mapped(self._reader, row, version) if self._may_know else None

    def draws(self, row: bytes) -> list[RecordedDraw]:
        """Return what a row was answered by now."""
        return read_draws(self._reader, row) if self._may_know else []

    async def draw_anew(self, row: bytes, version: bytes, trial: int) -> None:
        """Let a row be answered anew: what it was answered stays on its bill alone."""
        await self._writer.write(lambda tables: tables.draw_anew(row, version, trial))

    def keep_draw(self, draw: Draw) -> None:
        """Keep an answer, soon: with the end of its call if that comes at once, else by itself."""
        with self._lock:
            self._draws.setdefault(draw.row, []).append(draw)
            is_first, self._comes = not self._comes, True
        if is_first:
            self._writer.write_soon(self._waiting())

    def _waiting(self) -> Callable[[Tables], None]:
        """Return what writes the answers that still wait for the end of their call; done again, the same."""
        taken: list[Draw] = []

        def write(tables: Tables) -> None:
            with self._lock:
                waiting, self._draws, self._comes = self._draws, {}, False
            taken.extend(draw for draws in waiting.values() for draw in draws)
            self._write(tables, taken)

        return write

    def _write(self, tables: Tables, draws: Iterable[Draw]) -> None:
        for draw in draws:
            tables.hide(draw.secrets)
            if draw.call and tables.number_of_call(draw.call) is None:
                tables.call(draw.call, self.session, {"started": draw.about["started"]})
            tables.note_backend(self.session, draw.request["provider"])
            error = None if draw.error is None else canonical(tables.blank(draw.error))
            tables.request(
                draw.key,
                draw.request,
                draw.answers,
                call=draw.call,
                session=self.session,
                about={**draw.about, "cost": draw.cost, "error": error},
                sample=draw.draw,
                of=(draw.row, draw.draw),
            )

    def keep_call(self, call: dict[str, Any]) -> None:
        """Keep the call of a verb, with what comes next."""
        uid, session = call["call"], self.session
        with self._lock:
            draws = self._draws.pop(call["row"], ())

        def write(tables: Tables) -> None:
            for draw in draws:
                tables.hide(draw.secrets)
            about = {name: tables.blank(value) for name, value in {**call["begun"], **call["ended"]}.items()}
            if call["answer"] is not None:
                number = tables.number_of_call(uid)
                about["answer"] = tables.text(ANSWER, call["answer"], call=number)
            number = tables.call(uid, session, about)
            for place, attempt in enumerate(call["attempts"]):
                tables.attempt(number, place, attempt)
            self._write(tables, draws)
            tables.leave_call(uid)

        self._writer.defer(write)

    def keep_row(
        self, task: RowTask, version: bytes, program: str, result: MappedRow
    ) -> asyncio.Future[None]:
        """Keep what came of a row, and return what is done once it is in the file."""
        if task.name in self._draws:
            self._writer.defer(self._waiting())
        about = {
            "program": program,
            "place": task.place,
            "trial": task.trial,
            "ended": time.time(),
            "success": result.error is None,
            "result": result.kept(),
        }
        if result.error is not None:
            self._may_know = True
        return self._writer.write_soon(lambda tables: tables.mapped(task.name, version, self.session, about))

    async def settled(self) -> None:
        """Return once all that was kept by now is in the file, and whoever waited for it knows."""
        await self._writer.write(self._waiting())


def journal_of(given: str | os.PathLike[str] | History | bool) -> Journal | NoJournal:
    """Return the journal that something stands for.

    Args:
        given: The file of a history, or the history; True for that of ``MELLEA_HISTORY``, else ``runs.db``;
            False for none.

    Raises:
        UsageError: It cannot be written.
    """
    return NoJournal() if given is False else Journal(open_history(given))
