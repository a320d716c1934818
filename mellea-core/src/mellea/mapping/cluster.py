"""Rows through a program on a cluster: actors of Ray, with a backend each and a session for each row.

Ray places the actors, hands rows over, replaces actors that die and sends their rows again. The journal is
written on the driver's machine alone: by one more actor there, which workers ask before they pay and tell
what they got, and by the driver. So the machines need no folder in common, and SQLite is never used over a
network.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from mellea.core.errors import UsageError
from mellea.history import History
from mellea.history.records import RecordedDraw
from mellea.mapping.answers import Draw
from mellea.mapping.engines import Opening, RowEnded, Runner
from mellea.mapping.gate import Gate
from mellea.mapping.journal import Journal, NoJournal
from mellea.mapping.programs import Program
from mellea.mapping.results import MappedRow, RowTask

__all__ = ["RayEngine"]

_TRIES = 3
"""How often a row is sent again whose worker died: it may be the row that kills it."""


class RayEngine:
    """Takes rows through a program on actors of Ray.

    Args:
        program: The program.
        opening: What its sessions generate with.
        journal: What keeps what happens.
        places: How many rows at the same time, of each worker.
        workers: How many workers; None for as many as the cluster has room for.
        resources: What a worker takes of its machine.

    Raises:
        UsageError: Ray is not installed, or a backend cannot be sent; when it is entered: Ray cannot begin,
            or has no room for so many workers.
    """

    def __init__(
        self,
        program: Program,
        opening: Opening,
        journal: Journal | NoJournal,
        places: int,
        workers: int | None,
        resources: Mapping[str, Any],
    ) -> None:
        self._ray = _ray()
        from mellea.core.backend import Backend  # noqa: PLC0415  next to what asks for it

        if isinstance(opening.backend, Backend):
            raise UsageError(
                "A backend cannot be sent to the workers of a cluster.",
                hint="Name it, or pass a function that makes one: each worker calls it.",
            )
        self._program, self._opening, self._journal = program, opening, journal
        self._places, self._count, self._resources = places, workers, dict(resources)
        self._is_ours = False
        self._keeper: Any = None
        self._workers: list[Any] = []
        self._free: asyncio.Queue[Any] = asyncio.Queue()

    @property
    def places(self) -> int:
        """How many rows at the same time: enough for all workers, once it is known how many there are."""
        return self._places * (self._count or 64)

    async def __aenter__(self) -> Self:
        ray = self._ray
        if not ray.is_initialized():
            self._start()
        count, wants = self._count or self._room(), {"num_cpus": 1, **self._resources}
        if (lack := _lack(count, wants, ray.cluster_resources())) is not None:
            hint = "Pass fewer workers, or let each take less: resources=..., --num-gpus."
            if not os.environ.get("RAY_ADDRESS"):
                await self.__aexit__()
                raise UsageError(lack, hint=hint)
            warnings.warn(f"{lack} They wait for more machines. {hint}", stacklevel=2)
        self._journal.begin(None if self._opening.model is None else str(self._opening.model))
        session, keeper = "", None
        if isinstance(self._journal, Journal):
            self._journal.flush()
            session, keeper = self._journal.session, f"mellea-journal-{uuid4().hex}"
            self._keeper = self._started_keeper(keeper, Path(self._journal.path or ""), session)
        kind = ray.remote(_Worker).options(
            max_restarts=-1,
            max_task_retries=_TRIES,
            max_concurrency=self._places + 1,  # and one that stops it
            **wants,
        )
        sent = _sendable(self._program)
        self._workers = [
            kind.remote(sent, self._opening, self._places, keeper, session) for _ in range(count)
        ]
        try:
            await asyncio.gather(*(worker.ready.remote() for worker in self._workers))
        except ray.exceptions.RayError as error:
            await self.__aexit__()
            last = str(error).strip().splitlines()[-1]
            raise UsageError(
                f"The workers cannot begin: {last}", hint="Look whether each machine has what they need."
            ) from error
        for _ in range(self._places):
            for worker in self._workers:
                self._free.put_nowait(worker)
        return self

    def _start(self) -> None:
        """Start Ray on this machine, or go to the cluster that there is."""
        self._is_ours = True
        try:
            # Not in a thread that ends: Ray's processes end with the thread that starts them.
            self._ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        except Exception as error:
            raise UsageError(
                f"Ray cannot begin: {' '.join(str(error).split()).rstrip('.')}.",
                hint="Start it by itself (ray start --head), and look whether RAY_ADDRESS is right.",
            ) from error

    def _started_keeper(self, name: str, path: Path, session: str) -> Any:
        """Start what writes the journal, on this machine."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415  an extra

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        kind = self._ray.remote(_Keeper).options(
            name=name,
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=1000,
            scheduling_strategy=here,
        )
        return kind.remote(str(path.resolve()), session)

    def _room(self) -> int:
        """Return how many workers the cluster has room for."""
        there = self._ray.cluster_resources()
        gpus, cpus = self._resources.get("num_gpus"), self._resources.get("num_cpus", 2)
        room = there.get("GPU", 0) / gpus if gpus else there.get("CPU", 1) / max(cpus, 1)
        return max(int(room), 1)

    async def __aexit__(self, *exc: object) -> None:
        ray = self._ray
        for actor in (*self._workers, *([self._keeper] if self._keeper is not None else [])):
            with suppress(ray.exceptions.RayError, TimeoutError):
                async with asyncio.timeout(5):
                    await actor.close.remote()
            ray.kill(actor)
        self._workers, self._keeper = [], None
        if self._is_ours:
            ray.shutdown()

    async def run(self, task: RowTask) -> RowEnded:
        """Take a row through the program, on the next worker that is free."""
        worker = await self._free.get()
        try:
            ended: RowEnded = await worker.run.remote(task)
        except self._ray.exceptions.RayError as error:
            said = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            return RowEnded(MappedRow(task.place, task.row, error=said, passes=True))
        finally:
            self._free.put_nowait(worker)
        return ended

    def stop(self) -> None:
        """Send no further request; those under way may end."""
        for worker in self._workers:
            worker.stop.remote()


def _lack(workers: int, wants: Mapping[str, Any], there: Mapping[str, float]) -> str | None:
    """Return what there is too little of for so many workers; None if all have room."""
    for option, name in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
        each, has = float(wants.get(option) or 0), there.get(name, 0)
        if workers * each > has:
            return f"The workers want {workers * each:g} {name}, each {each:g}, and Ray has {has:g}."
    return None


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415  an extra
    except ImportError as error:
        raise UsageError(
            "Ray is not installed.", hint='Install it with: pip install "mellea-core[ray]"'
        ) from error
    return ray


def _sendable(program: Program) -> Any:
    """Return what a worker finds the program by: its names, or the function itself."""
    if not isinstance(program.given, str):
        return program.given
    place, separator, function = program.given.rpartition(":")
    file = Path(place if separator else program.given)
    return (f"{file.resolve()}{separator}{function if separator else ''}", program.given)


class _Keeper:
    """Writes the journal for all workers, on the driver's machine.

    Args:
        path: The file.
        session: The id under which the run stands in it.
    """

    def __init__(self, path: str, session: str) -> None:
        self._journal = Journal(History(path), session=session)

    async def draws(self, row: bytes) -> list[RecordedDraw]:
        """Return what a row was answered by now."""
        return self._journal.draws(row)

    async def keep_draw(self, draw: Draw) -> None:
        """Keep an answer."""
        self._journal.keep_draw(draw)

    async def keep_call(self, call: dict[str, Any]) -> None:
        """Keep the call of a verb."""
        self._journal.keep_call(call)

    async def settled(self) -> None:
        """Return once what was to be kept by now is in the file."""
        await self._journal.settled()

    async def close(self) -> None:
        """Close the file, once all is written."""
        await self._journal.close()


class _Sink:
    """What a worker tells the keeper.

    Args:
        keeper: The keeper; None where nothing is kept.
    """

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def draws(self, row: bytes) -> list[RecordedDraw]:
        """Return what a row was answered by now."""
        return [] if self._keeper is None else await self._keeper.draws.remote(row)

    def keep_draw(self, draw: Draw) -> None:
        """Keep an answer."""
        if self._keeper is not None:
            self._keeper.keep_draw.remote(draw)

    def keep_call(self, call: dict[str, Any]) -> Awaitable[None] | None:
        """Keep the call of a verb."""
        return None if self._keeper is None else self._keeper.keep_call.remote(call)

    async def settled(self) -> None:
        """Return once what was to be kept by now is kept."""
        if self._keeper is not None:
            await self._keeper.settled.remote()


class _Worker:
    """Takes rows through the program: one process, with one backend.

    Args:
        program: The program, or its names: with the driver's path, and as it was given.
        opening: What its sessions generate with.
        places: How many rows at the same time.
        keeper: The name of what writes the journal: a handle would not outlive a restart for certain.
        session: The id that its sessions have.
    """

    def __init__(self, program: Any, opening: Opening, places: int, keeper: str | None, session: str) -> None:
        if isinstance(program, tuple):
            there = Path(program[0].rpartition(":")[0] or program[0]).exists()
            program = program[0] if there else program[1]
        found = Program.of(program)
        backend = opening.open()[0] if found.takes_session else None
        self._sink, self._backend = _Sink(None if keeper is None else _ray().get_actor(keeper)), backend
        self._runner = Runner(found, backend, opening, session, Gate(places))

    async def ready(self) -> None:
        """Return once it has begun."""

    async def run(self, task: RowTask) -> RowEnded:
        """Take a row through the program; what it was answered is asked for now, as it may be sent again."""
        ended = await self._runner.run(task, await self._sink.draws(task.name), self._sink)
        await self._sink.settled()  # before the driver writes what came of the row
        return ended

    async def stop(self) -> None:
        """Send no further request; those under way may end."""
        self._runner.gate.stop()

    async def close(self) -> None:
        """Close the backend."""
        if self._backend is not None:
            await self._backend.aclose()
