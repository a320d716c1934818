"""Candidates: a program, a backend and a model that answer tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import evolve, field, frozen

from mellea.core._error_words import words_of
from mellea.core.backend import Backend
from mellea.core.billing import Spent, cost_of
from mellea.core.budget import Budget, Spending, is_being_cancelled
from mellea.core.errors import UsageError
from mellea.core.judges import Judge
from mellea.core.message import Message
from mellea.core.response import Usage
from mellea.core.thunk import ModelOutputThunk
from mellea.evaluation.calling import answer_of, takes_session
from mellea.evaluation.outcomes import Outcome, Verdict
from mellea.evaluation.tasks import Task
from mellea.stdlib import functional
from mellea.stdlib._wording import Wording, wording
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.program_file import is_program_name, load_program
from mellea.stdlib.session import MelleaSession
from mellea.stdlib.session._open import open_backend

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI

__all__ = ["Candidate", "Contestant", "needs_judge", "opened", "tally"]

T = TypeVar("T")


@frozen
class Candidate:
    """What answers tasks.

    Args:
        program: Takes a session and a task's inputs by their names, or the one thing that is asked; and
            returns the answer. Synchronous or not, typed or not; one without a parameter for a session gets
            none. Without a program the prompt is sent as it is.
        backend: What its sessions generate with: the name of an installed backend, or an instance.
        model: The model; by default the backend's own.
        name: What reports call it.
        model_options: Options of every call.
        prompts: Words that are tried in place of the program's own, also of those that it loads.
    """

    program: Callable[..., Any] | None = None
    backend: str | Backend | None = None
    model: Any = None
    name: str = field(default="")
    model_options: Mapping[str, Any] = field(factory=dict)
    prompts: Wording | None = None

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or " ".join(filter(None, self._words())))

    def _words(self) -> Iterator[str]:
        if self.program is not None:
            yield getattr(self.program, "__name__", type(self.program).__name__)
        named = isinstance(self.backend, Backend)
        model = self.model or (self.backend.model_id if isinstance(self.backend, Backend) else None)
        backend = getattr(self.backend, "provider", "") if named else self.backend
        places = "/".join(str(part) for part in (backend, model) if part)
        yield f"on {places}" if places and self.program is not None else places
        if not places and self.program is None:
            yield "the default backend"

    @classmethod
    def of(cls, given: Any, **others: Any) -> Self:
        """Return the candidate that something stands for.

        Args:
            given: A candidate, a function, a backend, or text: ``program.py:function``, the name of a
                backend, or ``backend/model``.
            others: What a text or function leaves open, under the names of the class.

        Raises:
            UsageError: It is none of them, or there is no such program.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, Backend):
            return cls(**{**others, "backend": given, "model": None})
        if isinstance(given, str) and is_program_name(given):
            return cls(**{"name": given, **others, "program": load_program(given)})
        if isinstance(given, str) and given:
            backend, _, model = given.partition("/")
            return cls(**{**others, "backend": backend, "model": model or others.get("model")})
        if callable(given) and not isinstance(given, type):
            return cls(**{**others, "program": given})
        raise UsageError(
            f"{given!r} is nothing that answers tasks.",
            hint="Pass a function, program.py:function, a backend, or backend/model.",
        )

    @property
    def needs_backend(self) -> bool:
        """Whether a model is asked by way of a session."""
        return self.program is None or takes_session(self.program)


class _Tally(Spending):
    """Counts what requests take."""

    def __init__(self) -> None:
        super().__init__(Budget())
        self.spent = Spent()

    def charge(self, backend: ModelAPI, usage: Usage | None, model: str | None) -> None:
        self.spent = self.spent.plus(usage, cost_of(usage, backend, model))

    def check_price(self, backend: ModelAPI) -> None:
        """A price that nobody knows is told, and refuses nothing."""


@contextmanager
def tally() -> Iterator[_Tally]:
    """Count what the requests of a block take, and of what is started in it, and the seconds of it."""
    counting, started = _Tally(), time.perf_counter()
    try:
        with counting.counting_money():
            yield counting
    finally:
        counting.spent = evolve(counting.spent, seconds=time.perf_counter() - started)


@frozen
class Contestant:
    """A candidate whose backend is open.

    Args:
        candidate: What answers.
        backend: What its sessions generate with; None where it has none.
        judge: What judges requirements in words; None where nothing does.
        judge_options: Model options of its calls.
        time_limit: Seconds that an answer may take, and its verdicts; None for no limit.
    """

    candidate: Candidate
    backend: Backend | None
    judge: Backend | None
    judge_options: Mapping[str, Any] | None = None
    time_limit: float | None = None

    async def run(self, task: Task) -> Outcome:
        """Return what comes of a task; an error of the program or a provider is told in it."""
        text, error = "", None
        verdicts: tuple[Verdict, ...] = ()
        with tally() as answering:
            try:
                with self._worded():
                    output = await self._in_time(self._answer(task))
                text = str(output)
            except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001  the others go on
                error = _told(raised)
        with tally() as judging:
            if error is None and task.requirements:
                try:
                    verdicts = await self._in_time(self._verdicts(task, output))
                except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001  the others go on
                    error = f"It could not be judged: {_told(raised)}"
        return Outcome(
            task.id, self.candidate.name, text, verdicts, error, answering.spent, judging.spent, task.question
        )

    def _worded(self) -> AbstractContextManager[None]:
        words = self.candidate.prompts
        return nullcontext() if words is None else wording(words, over_all=True)

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what some work comes to; a program that hangs is left to itself."""
        try:
            async with asyncio.timeout(self.time_limit) as clock:
                return await work
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise TimeoutError(f"It took longer than the time limit of {self.time_limit:g} s.") from error

    async def _answer(self, task: Task) -> ModelOutputThunk[Any]:
        program = self.candidate.program
        if program is None or takes_session(program):
            backend = self.backend
            assert backend is not None  # noqa: S101  `opened` has opened it
            session = MelleaSession(backend, SimpleContext(), model_options=self.candidate.model_options)
            async with session:
                return await answer_of(program, session, task)
        return await answer_of(program, None, task)

    async def _verdicts(self, task: Task, output: ModelOutputThunk[Any]) -> tuple[Verdict, ...]:
        context = SimpleContext().add(Message("user", task.question)).add(output)
        judge = self.judge or self.backend or Backend("none")
        results = await functional.avalidate(
            task.requirements, context, judge, model_options=self.judge_options
        )
        return tuple(
            Verdict(requirement.name, result.result, result.reason, result.score)
            for requirement, result in zip(task.requirements, results, strict=True)
        )


def needs_judge(task: Task) -> bool:
    """Tell whether a requirement of a task has to be judged by a model, and names none."""
    return any(
        not requirement.is_free
        and (requirement.judge.backend if isinstance(requirement.judge, Judge) else requirement.judge) is None
        for requirement in task.requirements
    )


def _told(error: BaseException) -> str:
    """Return an error in words; raise it again if it says that the whole run is cancelled."""
    if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
        raise error
    return f"{type(error).__name__}: {words_of(error)}"


@asynccontextmanager
async def opened(
    candidates: tuple[Candidate, ...],
    judge: str | Backend | None,
    tasks: list[Task],
    judge_options: Mapping[str, Any] | None = None,
    time_limit: float | None = None,
) -> AsyncIterator[tuple[Contestant, ...]]:
    """Open the backends of candidates and of their judge, and close with the block those opened here.

    Args:
        candidates: What answers.
        judge: What judges: a backend, its name, or ``backend/model``; by default each candidate's own.
        tasks: What is asked; judges are opened only if one has requirements in words.
        judge_options: Model options of the judge's calls.
        time_limit: Seconds that an answer may take, and its verdicts.
    """
    own: dict[tuple[str | None, Any], Backend] = {}

    def open_once(backend: str | Backend | None, model: Any) -> Backend:
        if isinstance(backend, Backend):
            return backend
        if (backend, str(model)) not in own:
            own[backend, str(model)] = opening = open_backend(backend, None, model, None, {})
            closing.push_async_callback(opening.aclose)
        return own[backend, str(model)]

    is_judged = any(needs_judge(task) for task in tasks)
    async with AsyncExitStack() as closing:
        judging = None
        if is_judged and judge is not None:
            name, _, model = judge.partition("/") if isinstance(judge, str) else (judge, "", "")
            judging = open_once(name, model or None)
        ready = []
        for candidate in candidates:
            needs = candidate.needs_backend or (is_judged and judging is None)
            backend = open_once(candidate.backend, candidate.model) if needs else None
            ready.append(Contestant(candidate, backend, judging or backend, judge_options, time_limit))
        yield tuple(ready)
