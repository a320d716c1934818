"""The reader's side of an agent's run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from mellea.core.context import Context
from mellea.core.errors import GenerationCancelledError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.hooks import around, within
from mellea.core.sampling import SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.frameworks._turns import Turns
from mellea.stdlib.frameworks.events import AgentEvent
from mellea.stdlib.streaming._iteration import EventSource, SyncOrAsyncIterable

if TYPE_CHECKING:
    from mellea.stdlib._told_call import ToldCall

__all__ = ["AgentRun"]

S = TypeVar("S")


class AgentRun(EventSource[AgentEvent], Generic[S]):
    """The run of an agent, read by its events. Made by ``stream_react``.

    ``async for event in run`` or ``for event in run`` gives everything that happens, until an answer stands.
    Each reading begins with the first event. The agent goes on only while somebody reads; a reader who leaves
    before the end (``break``, cancellation, an error of its own) ends the run, and nothing of it is
    remembered. ``acomplete()`` reads to the end, for whoever wants the answer only.

    Args:
        turns: The turns of the run.
        told: Tells the handlers of hooks how it ends; None where nobody listens.
    """

    def __init__(self, turns: Turns, told: ToldCall | None = None) -> None:
        self._turns, self._told = turns, told
        self._driver = turns.events()
        self._guard: Callable[[], AbstractContextManager[None]] = nullcontext
        self._answered: Callable[[Context, ModelOutputThunk[Any]], None] | None = None
        self._history: list[AgentEvent] = []
        self._over = False
        self._error: BaseException | None = None

    def within(
        self,
        guard: Callable[[], AbstractContextManager[None]],
        answered: Callable[[Context, ModelOutputThunk[Any]], None],
    ) -> Self:
        """Make this a run of a session, before it is read.

        Args:
            guard: Makes what each step runs in.
            answered: Called once an answer stands, with the conversation and the answer.
        """
        self._guard, self._answered = guard, answered
        return self

    # Reading

    def __aiter__(self) -> AsyncIterator[AgentEvent]:
        return self._read_events(0, "run")

    def __iter__(self) -> Iterator[AgentEvent]:
        return iter(SyncOrAsyncIterable(lambda: self._read_events(0, "run")))

    async def acomplete(self) -> Self:
        """Let the agent come to its answer, and return this run.

        Raises:
            BudgetError: The budget is spent; its ``result`` has every turn, and the best attempt.
            ProviderError: The provider failed.
            GenerationCancelledError: The run was ended before.
        """
        while await self._advance():
            pass
        return self

    def complete(self) -> Self:
        """Synchronous face of ``acomplete``."""
        return run_sync(self.acomplete())

    async def aclose(self) -> None:
        """End the run. Does nothing to one that is over."""
        if self._over:
            return
        self._over, self._error = True, _ended()
        if self._told is not None:
            await self._told.failed(_ended())
        if not self._advancing:
            await self._driver.aclose()
        elif self._turns.under_way is not None:  # whoever waits for the next event gets the error
            await self._turns.under_way.cancel_generation(self._error)

    async def _advance(self) -> bool:
        """Let the agent go on to the next event; tell whether there was one."""
        if self._over:
            if self._error is not None:
                raise self._error
            return False
        self._advancing = True
        try:
            with self._guard():
                event = await self._next_event()
        except BaseException as error:
            self._over = True
            self._error = error if isinstance(error, Exception) else _ended()
            if self._told is not None:
                await self._told.failed(error)
            raise
        finally:
            self._advancing = False
        if self._error is not None:  # it was ended meanwhile
            await self._driver.aclose()
            raise self._error
        if event is None:
            self._over = True
            return False
        self._history.append(event)
        if self._turns.output is not None and self._turns.after is not None and self._answered is not None:
            answered, self._answered = self._answered, None
            answered(self._turns.after, self._turns.output)
        return True

    async def _next_event(self) -> AgentEvent | None:
        told = self._told
        if told is None:
            return await anext(self._driver, None)
        with within(told.scope), around(told.action_id):
            event = await anext(self._driver, None)
            if self._turns.output is not None and not told.over:
                told.after = self._turns.after
                await told.ended(self._turns.output)
        return event

    # What is known

    @property
    def events(self) -> tuple[AgentEvent, ...]:
        """What has happened so far."""
        return tuple(self._history)

    @property
    def done(self) -> bool:
        """Whether an answer stands."""
        return self._turns.output is not None

    @property
    def result(self) -> SamplingResult[S] | None:
        """Every turn so far as an attempt, with the best one chosen; None before the first has ended."""
        return self._turns.result

    @property
    def output(self) -> ModelOutputThunk[S]:
        """The answer.

        Raises:
            UsageError: There is none yet.
        """
        if self._turns.output is None:
            raise self._error or UsageError(
                "The agent has not answered yet.", hint="Read the run to its end."
            )
        return self._turns.output

    @property
    def context(self) -> Context:
        """The conversation with everything that the agent did, up to and with its answer.

        Raises:
            UsageError: There is no answer yet.
        """
        if self._turns.after is None:
            raise self._error or UsageError(
                "The agent has not answered yet.", hint="Read the run to its end."
            )
        return self._turns.after

    def __repr__(self) -> str:
        state = "answered" if self.done else "over" if self._over else "under way"
        return f"<AgentRun {state}, {len(self._turns.attempts)} turns>"


def _ended() -> GenerationCancelledError:
    return GenerationCancelledError(
        "The run of the agent was ended before it answered.", hint="Start it again to get an answer."
    )
