"""Where rows go through their program: in this process, a task for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol, Self

from attrs import field, frozen

from mellea.core._error_words import words_of
from mellea.core.backend import Backend
from mellea.core.errors import MelleaError, ProviderError
from mellea.core.hooks import HookLayer, current_scope, within
from mellea.core.journal import journalled
from mellea.core.options import ModelOption
from mellea.history.records import RecordedDraw
from mellea.mapping.answers import RowAnswers, Sink
from mellea.mapping.gate import Gate
from mellea.mapping.journal import Journal, NoJournal
from mellea.mapping.programs import Program
from mellea.mapping.results import MappedRow, RowTask
from mellea.mapping.watching import RowCalls, Watcher, watched
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.session import MelleaSession
from mellea.stdlib.session._open import open_backend

__all__ = ["Engine", "LocalEngine", "Opening", "RowEnded", "Runner"]


@frozen
class Opening:
    """What the sessions of rows generate with.

    Args:
        backend: The name of an installed backend, an instance, or a function that makes one.
        model: The model; by default the backend's own.
        arguments: What else the backend takes.
        model_options: Options of every call, but for the seed.
        plugins: What each session brings along.
    """

    backend: str | Backend | Callable[[], Backend] | None = None
    model: Any = None
    arguments: Mapping[str, Any] = field(factory=dict)
    model_options: Mapping[str, Any] = field(factory=dict)
    plugins: tuple[Any, ...] = ()

    def open(self) -> tuple[Backend, bool]:
        """Return the backend, and whether it was made here."""
        given = self.backend
        if callable(given) and not isinstance(given, type):
            return given(), True
        opened = open_backend(given, None, self.model, None, self.arguments)  # type: ignore[arg-type]  # a class is refused there
        return opened, opened is not given


@frozen
class RowEnded:
    """How a row ended.

    Args:
        result: What came of it.
        was_stopped: Whether it was cut short, because everything is about to end; it has no result then.
        fatal: The error that would end each other row too.
    """

    result: MappedRow
    was_stopped: bool = False
    fatal: MelleaError | None = None


class Engine(Protocol):
    """Takes rows through a program."""

    @property
    def places(self) -> int:
        """How many rows at the same time."""
        ...

    async def __aenter__(self) -> Self:
        """Begin."""
        ...

    async def __aexit__(self, *exc: object) -> None:
        """End."""
        ...

    async def run(self, task: RowTask) -> RowEnded:
        """Take a row through the program."""
        ...

    def stop(self) -> None:
        """Send no further request; those under way may end."""
        ...


class Runner:
    """Takes rows through a program, with a session for each.

    Args:
        program: The program.
        backend: What the sessions generate with; None where it takes none.
        opening: What they are made with.
        session_id: The id that all have.
        gate: What requests wait for.
    """

    def __init__(
        self, program: Program, backend: Backend | None, opening: Opening, session_id: str, gate: Gate
    ) -> None:
        self._program, self._backend, self._opening = program, backend, opening
        self._session_id = session_id
        self._layer = HookLayer(Watcher().handlers())
        self.gate = gate

    async def run(self, task: RowTask, known: Iterable[RecordedDraw], sink: Sink) -> RowEnded:
        """Take a row through the program.

        Args:
            task: The row.
            known: What it was answered before.
            sink: What keeps what happens to it.
        """
        answers = RowAnswers(task.name, known, sink, self.gate)
        calls = RowCalls(task.name, sink)
        came: dict[str, Any] = {}
        fatal = None
        started = time.perf_counter()
        session = self._session(task)
        with journalled(answers), watched(calls), within(current_scope().with_block(self._layer)):
            try:
                came["value"] = await self._program.call(session, task.row)
            except (Exception, SystemExit) as error:  # noqa: BLE001  the others go on
                fatal = error if isinstance(error, MelleaError) and self._is_fatal(error) else None
                came["error"] = f"{type(error).__name__}: {words_of(error)}"
                came["passes"] = isinstance(error, ProviderError)
        if session is not None:
            await session.aclose()
        result = MappedRow(
            task.place,
            task.row,
            **came,
            verdicts=tuple(calls.verdicts),
            attempts=calls.attempts,
            spent=answers.spent.lasting(time.perf_counter() - started),
            paid=answers.paid,
        )
        return RowEnded(result, answers.was_stopped, fatal)

    def _is_fatal(self, error: MelleaError) -> bool:
        """Tell whether an error would end each other row too."""
        from mellea.core import errors  # noqa: PLC0415  only failures need it

        if isinstance(error, errors.ProviderConnectionError):  # one that has answered may well do so again
            return not (self.gate.answered or isinstance(error, errors.StreamInterruptedError))
        return isinstance(
            error,
            errors.AuthenticationError | errors.QuotaError | errors.ModelNotFoundError | errors.PluginError
            | errors.CapabilityError | errors.UnsupportedOptionError,
        )  # fmt: skip

    def _session(self, task: RowTask) -> MelleaSession | None:
        if self._backend is None:
            return None
        options = dict(self._opening.model_options)
        if task.seed is not None:
            options[ModelOption.SEED] = task.seed
        return MelleaSession(
            self._backend,
            SimpleContext(),
            session_id=self._session_id,
            model_options=options,
            plugins=self._opening.plugins or None,
        )


class LocalEngine:
    """Takes rows through a program in this process.

    Args:
        program: The program.
        opening: What its sessions generate with.
        journal: What keeps what happens.
        places: How many rows at the same time.
    """

    def __init__(self, program: Program, opening: Opening, journal: Journal | NoJournal, places: int) -> None:
        self._program, self._opening, self._journal = program, opening, journal
        self.places = places
        self._gate = Gate(places)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        backend = None
        if self._program.takes_session:
            backend, is_ours = self._opening.open()
            if is_ours:
                self._stack.push_async_callback(backend.aclose)
        self._journal.begin(getattr(backend, "model_id", None))
        session_id = getattr(self._journal, "session", "")
        self._runner = Runner(self._program, backend, self._opening, session_id, self._gate)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def run(self, task: RowTask) -> RowEnded:
        """Take a row through the program."""
        return await self._runner.run(task, self._journal.draws(task.name), self._journal)

    def stop(self) -> None:
        """Send no further request; those under way may end."""
        self._gate.stop()
