"""Rows through a program: what is under way at once, what is done again, and what comes out in what order."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, aclosing, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import IO, Any, Self

from attrs import evolve, frozen

from mellea.core.errors import MelleaError
from mellea.core.event_loop import gather_or_cancel, loop_apart
from mellea.mapping.collecting import collecting_seldom
from mellea.mapping.engines import Engine
from mellea.mapping.journal import Journal, NoJournal
from mellea.mapping.names import RowNames, row_seed
from mellea.mapping.progress import Progress, ProgressLine, Tally
from mellea.mapping.results import MappedRow, RowTask
from mellea.mapping.rows import Source, as_json
from mellea.mapping.turns import Turns

__all__ = ["Plan", "Results", "SyncResults"]

_IN_MEMORY = 1_000_000
"""Bytes of failed rows; more of them go to a file."""


@frozen
class Plan:
    """What is to be done.

    Args:
        program: The name of the program.
        version: What names its version.
        source: Where the rows come from.
        engine: What takes them through it.
        journal: What keeps what happens.
        seed: The seed of all draws; None for none.
        passes: How often a row that fails is tried in all.
        ordered: Whether results come in the order of the rows.
        shows_progress: Whether a terminal shows how far it is.
        at_most: How many rows are taken; None for all.
        places: Which rows go through the program; None for all.
    """

    program: str
    version: bytes
    source: Source
    engine: Engine
    journal: Journal | NoJournal
    seed: int | None = None
    passes: int = 2
    ordered: bool = False
    shows_progress: bool = True
    at_most: int | None = None
    places: Collection[int] | None = None


class Results:
    """The results, as they come. Iterate over it with ``async for``, once.

    Leaving the iteration early, or an ``async with`` block around it, ends what is under way; all that came
    until then is in the journal.

    Args:
        plan: What is to be done.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tally = Tally(_total(plan))
        self._ready: deque[MappedRow] = deque()
        self._changed = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None
        self._places = _Places(plan)
        self._stopping = False
        self._fatal: MelleaError | None = None
        self._line = ProgressLine() if plan.shows_progress else None

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._tally.progress()

    def stop(self) -> None:
        """Begin no further row and send no further request; what is under way may end, and is kept."""
        self._stopping = True
        self._places.stop()
        self._plan.engine.stop()

    async def take(self) -> list[MappedRow]:
        """Return the results that are there, at least one; none at the end.

        Raises:
            MelleaError: What ends all rows, such as a key that the provider refuses.
        """
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())
            self._driver.add_done_callback(lambda _: self._changed.set())
        while not self._ready and not self._driver.done():
            self._changed.clear()
            await self._changed.wait()
        taken = list(self._ready)
        self._ready.clear()
        self._places.give_back(len(taken))
        if not taken:
            self._driver.result()
            if self._fatal is not None:
                raise self._fatal
        return taken

    async def aclose(self) -> None:
        """End what is under way."""
        self.stop()
        if self._driver is None:
            await self._plan.journal.end()
        elif not self._driver.done():
            self._driver.cancel()
            with suppress(asyncio.CancelledError):
                await self._driver

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[MappedRow]:
        try:
            while results := await self.take():
                for result in results:
                    yield result
        finally:
            await self.aclose()

    # Driving

    async def _drive(self) -> None:
        """Take all rows through the program, and those that failed once more."""
        plan = self._plan
        async with AsyncExitStack() as stack:
            stack.enter_context(collecting_seldom())
            stack.push_async_callback(plan.journal.end)
            if self._line is not None:
                stack.callback(self._line.end)
            await stack.enter_async_context(plan.engine)
            failed = stack.enter_context(_Failed())
            tasks = self._tasks()
            for left in range(plan.passes - 1, -1, -1):
                again = stack.enter_context(_Failed())
                await self._pass(tasks, again if left else None)
                failed = again
                if self._stopping or not failed.count:
                    break
                tasks = failed.tasks()
            if self._stopping and self._fatal is None:
                for result in failed.results():
                    self._tally.count(result)
                    self._ready.append(result)

    async def _tasks(self) -> AsyncGenerator[RowTask, None]:
        """Iterate over the rows, each with its name."""
        names = RowNames(self._plan.program)
        place = 0
        try:
            async with aclosing(self._plan.source.rows()) as rows:
                async for given in rows:
                    if place == self._plan.at_most:
                        return
                    row = as_json(given, f"Row {place}")
                    name = names.name(row)
                    if self._plan.places is None or place in self._plan.places:
                        yield RowTask(place, row, name)
                    place += 1
        finally:
            names.close()

    async def _pass(self, tasks: AsyncGenerator[RowTask, None], failed: _Failed | None) -> None:
        """Take rows through the program, so many at the same time; those that fail are put aside."""
        lock, places, turns = asyncio.Lock(), self._places, Turns()

        async def next_task() -> RowTask | None:
            async with lock:
                await places.take()
                task = None if self._stopping else await anext(tasks, None)
                if task is None:
                    places.give_back()
                else:
                    places.begin(task.place)
                return task

        async def work() -> None:
            last: asyncio.Future[None] | None = None
            await turns.take()
            while (task := await next_task()) is not None:
                kept = await self._row(task, failed)
                if last is not None:
                    await last
                last = kept

        try:
            async with aclosing(tasks):  # what is left of a file is not left to the garbage collector
                await gather_or_cancel(work() for _ in range(self._plan.engine.places))
        finally:
            await self._plan.journal.settled()

    async def _row(self, task: RowTask, failed: _Failed | None) -> asyncio.Future[None] | None:
        """Take a row through the program, unless the journal has its result.

        Returns:
            What is done once its result is kept; None where nothing is.
        """
        plan = self._plan
        known = plan.journal.found(task.name, plan.version)
        if known is not None:
            task = evolve(task, trial=known.trial)
            if known.success:
                self._hand_on(task.place, MappedRow.of_kept(task, known.result))
                return None
            if known.success is False and not known.result["passes"]:
                task = evolve(task, trial=known.trial + 1)
                await plan.journal.draw_anew(task.name, plan.version, task.trial)
        if plan.seed is not None:
            task = evolve(task, seed=row_seed(plan.seed, task.name, task.trial))
        ended = await plan.engine.run(task)
        self._tally.pay(ended.result.paid)
        if ended.fatal is not None and self._fatal is None:
            self._fatal = ended.fatal
            self.stop()
        if ended.was_stopped or (self._stopping and ended.result.error is not None):
            self._hand_on(task.place, None)
            return None
        result: MappedRow | None = None
        if failed is None or ended.result.error is None:
            result = ended.result
        else:
            failed.add(task, ended.result)
        kept = plan.journal.keep_row(task, plan.version, plan.program, ended.result)
        if kept is None:
            self._hand_on(task.place, result)
        else:  # the next row begins meanwhile
            kept.add_done_callback(lambda _: self._hand_on(task.place, result))
        return kept

    def _hand_on(self, place: int, result: MappedRow | None) -> None:
        """Hand on what came of a row, if there is anything, and what waited for it."""
        for ended in self._places.end(place, result):
            self._tally.count(ended)
            self._ready.append(ended)
        if self._ready:
            self._changed.set()
        if self._line is not None:
            self._line.show(self._tally)


def _total(plan: Plan) -> int | None:
    if plan.places is not None:
        return len(plan.places)
    total = plan.source.total
    return total if plan.at_most is None or total is None else min(total, plan.at_most)


class _Places:
    """Bounds how many results wait to be taken, and puts them into the order of their rows, if need be.

    Args:
        plan: What is to be done.
    """

    def __init__(self, plan: Plan) -> None:
        self._ordered = plan.ordered
        self._most = max(4 * plan.engine.places, 256)
        self._begun = 0
        self._order: deque[int] = deque()
        self._held: dict[int, MappedRow | None] = {}
        self._free = asyncio.Event()
        self._stopped = False

    async def take(self) -> None:
        """Wait until another row may begin."""
        while self._begun >= self._most and not self._stopped:
            self._free.clear()
            await self._free.wait()
        self._begun += 1

    def begin(self, place: int) -> None:
        """Take note which row begins."""
        if self._ordered:
            self._order.append(place)

    def give_back(self, number: int = 1) -> None:
        """Take note that results were taken, or that rows have none."""
        self._begun -= number
        self._free.set()

    def stop(self) -> None:
        """Let nobody wait."""
        self._stopped = True
        self._free.set()

    def end(self, place: int, result: MappedRow | None) -> list[MappedRow]:
        """Take what came of a row, and return what may be handed on now.

        Args:
            place: Which row it is.
            result: What came of it; None if it has no result for now.
        """
        if result is None:
            self.give_back()
        if not self._ordered:
            return [] if result is None else [result]
        self._held[place] = result
        ended = []
        while self._order and self._order[0] in self._held:
            if (first := self._held.pop(self._order.popleft())) is not None:
                ended.append(first)
        return ended


class _Failed:
    """Rows that failed, put aside for another pass: in memory, or in a file if they are many."""

    def __init__(self) -> None:
        self.count = 0
        self._file: IO[str] = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115  it closes itself

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def add(self, task: RowTask, result: MappedRow) -> None:
        """Put a row aside."""
        self.count += 1
        kept = {"place": task.place, "row": task.row, "name": task.name.hex(), "trial": task.trial}
        self._file.write(json.dumps({**kept, "result": result.kept()}) + "\n")

    def _kept(self) -> Iterator[tuple[RowTask, Any]]:
        self._file.seek(0)
        for line in self._file:
            kept = json.loads(line)
            trial = kept["trial"] + (not kept["result"]["passes"])
            yield RowTask(kept["place"], kept["row"], bytes.fromhex(kept["name"]), trial), kept["result"]

    async def tasks(self) -> AsyncGenerator[RowTask, None]:
        """Iterate over the rows, for their next trial."""
        for task, _ in self._kept():
            yield task

    def results(self) -> Iterator[MappedRow]:
        """Iterate over what came of them."""
        for task, kept in self._kept():
            yield evolve(MappedRow.of_kept(task, kept), from_journal=False)


_depth: ContextVar[int] = ContextVar("mellea_mapping_depth", default=0)
"""How many maps this code is in, each of which has an event loop of its own."""


class SyncResults:
    """The results, as they come, for a program that does not wait asynchronously. Iterate over it once.

    Leaving the iteration early, or a ``with`` block around it, ends what is under way; all that came until
    then is in the journal.

    Args:
        plan: What is to be done.
    """

    def __init__(self, plan: Plan) -> None:
        self._results = Results(plan)
        self._depth = _depth.get()
        self._loop = loop_apart(f"mapping-{self._depth}")
        self._taking: Future[list[MappedRow]] | None = None

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._results.progress

    def stop(self) -> None:
        """Begin no further row and send no further request; what is under way may end, and is kept."""
        self._loop.call_soon_threadsafe(self._results.stop)

    def take(self) -> list[MappedRow]:
        """Return the results that are there, at least one; none at the end.

        An interrupt loses none: what was to come now comes with the next call.

        Raises:
            MelleaError: What ends all rows, such as a key that the provider refuses.
        """
        if self._taking is None:
            self._taking = asyncio.run_coroutine_threadsafe(self._take(), self._loop)
        try:
            taken = self._taking.result()
        except KeyboardInterrupt:
            raise
        except BaseException:
            self._taking = None
            raise
        self._taking = None
        return taken

    async def _take(self) -> list[MappedRow]:
        _depth.set(self._depth + 1)
        return await self._results.take()

    def close(self) -> None:
        """End what is under way."""
        asyncio.run_coroutine_threadsafe(self._results.aclose(), self._loop).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[MappedRow]:
        try:
            while results := self.take():
                yield from results
        finally:
            self.close()
