"""The turns of an agent: think, act, look at what came of it, answer; until an answer stands.

A run does nothing by itself: whoever asks for the next event lets it go on. Each turn is an attempt in the
trace. The conversation that the model sees goes on by whole turns; what checks an answer sees the whole way,
whatever a compactor has left out.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, TypeVar

from attrs import evolve

from mellea.core.budget import no_attempt
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import BudgetError, CapabilityError, RepetitionError, ToolArgumentsError
from mellea.core.generate_config import GenerateConfig
from mellea.core.options import ModelOption
from mellea.core.reasoning import looking_after_answers
from mellea.core.response import Usage, as_usage
from mellea.core.sampling import Attempt, SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import ModelToolCall
from mellea.core.tool_message import ToolMessage
from mellea.plugins.suggestions import with_alternatives
from mellea.stdlib._generate import wait_or_cancel
from mellea.stdlib.components.react import MELLEA_FINALIZER_TOOL, ReactThought
from mellea.stdlib.context.compactor import compact_with
from mellea.stdlib.frameworks._agent_request import AgentRequest, read_answer, refused
from mellea.stdlib.frameworks._whole_turns import whole_turns
from mellea.stdlib.frameworks.events import (
    AgentEvent,
    AnswerEvent,
    CompactionEvent,
    ThoughtEvent,
    ToolCallEvent,
    ToolResultEvent,
    VerdictsEvent,
)
from mellea.stdlib.sampling._attempt import AttemptStart, apply_fixes, best_attempt, judge_attempt
from mellea.stdlib.sampling._repair_conversation import RepairConversation
from mellea.stdlib.tools._results import READ_RESULT, Pages

__all__ = ["Turns"]

T = TypeVar("T")
_ALONE = (
    f"{MELLEA_FINALIZER_TOOL} was called beside other tools, before their results were there. Read them, and "
    "call it again, alone."
)
_NOTHING_CALLED = f"the model neither called a tool nor gave an answer with {MELLEA_FINALIZER_TOOL}"


class Turns:
    """The turns of one run.

    Args:
        plan: What was asked for.
    """

    def __init__(self, plan: AgentRequest) -> None:
        self.plan = plan
        self.attempts: list[Attempt[Any]] = []
        self.output: ModelOutputThunk[Any] | None = None
        """The answer that stands; None before."""
        self.after: Context | None = None
        """The conversation with it."""
        self.under_way: ModelOutputThunk[Any] | None = None
        """What is being generated."""
        call = plan.call
        self._call = call
        self._trail: Context = RepairConversation().rebuilt(
            [*(call.context.view_for_generation() or []), call.action]
        )
        shown = call.context.add(call.action)
        self._is_aside = not any(span is call.action for span in reversed(shown.view_for_generation() or []))
        self._ctx = self._trail if self._is_aside else shown
        self._pages = Pages()
        self._rounds = 0
        self._idle = False

    async def events(self) -> AsyncGenerator[AgentEvent, None]:
        """Go on to the next event, and the next, until an answer stands.

        Raises:
            BudgetError: The budget is spent; its ``result`` has every turn.
            ProviderError: The provider failed.
        """
        self._call.spending.started = time.monotonic()  # not before somebody reads
        while self.output is None:
            if not self._call.spending.take_attempt():
                raise self._spent()
            turn = len(self.attempts) + 1
            if (shorter := await self._in_time(self._compact())) is not None:
                yield CompactionEvent(*shorter, turn=turn)
            begun, output, after = await self._in_time(self._think())
            if said := str(output).strip() or output.thinking:
                yield ThoughtEvent(said, turn=turn)
            calls = list(output.asked_calls)
            for call in calls:
                yield ToolCallEvent(call, turn=turn)
            if not calls:
                self._note_idle(begun, output, after)
            elif [call.name for call in calls] != [MELLEA_FINALIZER_TOOL]:
                for message in await self._in_time(self._act(begun, output, after, calls)):
                    yield ToolResultEvent(message, turn=turn)
            else:
                read = await self._in_time(self._read(begun, output, after, calls[0]))
                if isinstance(read, ToolMessage):
                    yield ToolResultEvent(read, turn=turn)
                    continue
                answer, spent = read
                yield AnswerEvent(answer, turn=turn)
                checked = await self._in_time(self._check(begun, answer, spent))
                reasons = _reasons(checked)
                if not checked.success:
                    self._reject(begun, output, after, calls[0], checked)
                verdicts = tuple(result for _, result in checked.results)
                yield VerdictsEvent(checked.success, verdicts, reasons, turn=turn)

    @property
    def result(self) -> SamplingResult[Any] | None:
        """Every turn so far, with the best one chosen; None before the first has ended."""
        return self._so_far() if self.attempts else None

    def _so_far(self) -> SamplingResult[Any]:
        best = best_attempt(self.attempts)
        if self.output is not None:
            why = "it is an answer" + (" that meets every requirement" if self._call.requirements else "")
        elif self.attempts[best].tool_results or self.attempts[best].error is not None:
            why = "no answer was given, and it is the latest turn"
        else:
            why = "no answer meets every requirement, and it is the best"
        return SamplingResult(self.attempts, best, why)

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        async with self._call.spending.deadline():
            with self._call.spending.bounding_money():
                return await work
        raise self._spent()

    def _spent(self) -> BudgetError:
        spending, result = self._call.spending, self.result
        if result is None:
            return no_attempt(spending)
        number = len(self.attempts)
        turns = f"{number} turn{'s' if number > 1 else ''}"
        best, lacks = result.chosen, ""
        if not best.tool_results and best.error is None:
            lacks = " The best one lacks this: " + "; ".join(
                f"{name.rstrip('.')}: {reason.rstrip('.')}" for name, reason in best.failures()
            )
        return BudgetError(
            f"The agent came to no answer that stands in {turns}, and the budget of "
            f"{spending.reached_bound() or 'the call'} is spent.{f'{lacks}.' if lacks else ''}",
            hint="Raise the budget, or read the turns in error.result.",
            result=result,
        )

    # One turn

    async def _compact(self) -> tuple[int, int] | None:
        """Make the conversation shorter; return how many spans it had and has, if that is another number."""
        ctx, backend = self._ctx, self._call.backend
        shorter = await ctx.prepare(backend)
        if self.plan.compactor is not None and self.attempts:
            shorter = await compact_with(self.plan.compactor, shorter, backend)
        self._ctx = whole_turns(ctx, shorter, self._call.action)
        if self._ctx is ctx:
            return None
        before, after = len(ctx.as_list()), len(self._ctx.as_list())
        return (before, after) if before != after else None

    async def _think(self) -> tuple[AttemptStart, ModelOutputThunk[Any], Context]:
        """Return what the model says next, complete, and the conversation with it."""
        action, ctx = _split(self._ctx)
        begun = AttemptStart(action, ctx, 0, len(self.attempts), time.perf_counter())
        output, after = await self._ask(
            action, ctx, self._call.config_for(0, begun.round).under(self._options())
        )
        self._call = self._call.after(output)
        return begun, output, after

    async def _ask(
        self, action: Span, ctx: Context, config: GenerateConfig
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Return one output, complete, and the conversation with it."""
        call = self._call
        try:
            with looking_after_answers():
                output, after = await call.backend.generate_from_context(action, ctx, **config.keywords())
                self.under_way = output
                await wait_or_cancel(output)
        except CapabilityError as error:
            raise with_alternatives(error) from None
        except RepetitionError as error:
            output = ModelOutputThunk(error.text)
            output.note_no_answer(error.message, error.hint or "")
            after = ctx.add(action).add(output)
        finally:
            self.under_way = None
        call.spending.add(as_usage(output.generation.usage))
        return output, after

    def _options(self) -> dict[str, Any]:
        tools: dict[str, Any] = {name: tool.source for name, tool in self.plan.tools.items()}
        if self._pages.results:
            tools[READ_RESULT] = self._pages.tool()
        options: dict[str, Any] = {ModelOption.TOOLS: tools, ModelOption.TOOL_LOOP: self.plan.runner}
        choice = self.plan.choice(len(self.attempts), self._rounds, idle=self._idle)
        if choice is not None:
            options[ModelOption.TOOL_CHOICE] = choice
        return options

    def _note_idle(self, begun: AttemptStart, output: ModelOutputThunk[Any], after: Context) -> None:
        """Remember a turn in which nothing was called."""
        self._ctx, self._idle = after, True
        self._note(begun, output, after, error=output.no_answer or _NOTHING_CALLED)

    async def _act(
        self,
        begun: AttemptStart,
        output: ModelOutputThunk[Any],
        after: Context,
        calls: Sequence[ModelToolCall],
    ) -> list[ToolMessage]:
        """Carry out the calls of a turn, and return what the model is told of each."""
        output.tool_calls = calls
        others = [call for call in calls if call.name != MELLEA_FINALIZER_TOOL]
        with self._call.spending.paying():
            results = iter(await self.plan.runner.run(others, backend=self._call.backend, pages=self._pages))
        told = [
            refused(output, call, _ALONE) if call.name == MELLEA_FINALIZER_TOOL else next(results)
            for call in calls
        ]
        self._rounds += 1
        self._take_up(begun, output, after, told)
        return told

    def _take_up(
        self,
        begun: AttemptStart,
        output: ModelOutputThunk[Any],
        after: Context,
        told: Sequence[ToolMessage],
        *,
        is_noted: bool = False,
    ) -> None:
        """Go on with the results of a turn; it is remembered as an attempt, unless it is one already."""
        self._idle = False
        self._trail = self._trail.add(output)
        ctx = after
        for message in told:
            self._trail, ctx = self._trail.add(message), ctx.add(message)
        self._ctx = ctx
        if not is_noted:
            self._note(begun, output, after, tool_results=tuple(told))

    def _note(self, begun: AttemptStart, output: ModelOutputThunk[Any], after: Context, **known: Any) -> None:
        seconds = time.perf_counter() - begun.started
        attempt: Attempt[Any] = Attempt(
            begun.action,
            after,
            output,
            round=begun.round,
            seconds=seconds,
            seed=self._call.seed_for(0, begun.round),
            started=time.time() - seconds,
            sent=output.sent,
            usage=as_usage(output.generation.usage) or Usage(),
            strategy="react",
            **known,
        )
        self.attempts.append(attempt)

    # The answer

    async def _read(
        self, begun: AttemptStart, asked: ModelOutputThunk[Any], after: Context, call: ModelToolCall
    ) -> tuple[ModelOutputThunk[Any], Usage | None] | ToolMessage:
        """Return an answer as an output and what it cost, or what the model is told if there is none."""
        asked.tool_calls = [call]
        try:
            if call.problem is not None:
                raise ToolArgumentsError(call.problem)
            given = self.plan.tools[MELLEA_FINALIZER_TOOL].arguments(call.args)["answer"]
        except ToolArgumentsError as error:
            message = refused(asked, call, str(error))
            self._take_up(begun, asked, after, [message])
            return message
        return await read_answer(self.plan, self._ask, asked, after, call, given)

    async def _check(
        self, begun: AttemptStart, answer: ModelOutputThunk[Any], spent: Usage | None
    ) -> Attempt[Any]:
        """Return what the requirements say of an answer; it stands if all of them are met."""
        action, before = _split(self._trail)
        start = evolve(begun, action=action, context=before)
        attempt = await judge_attempt(self._call, start, self._trail.add(answer), answer, spent)
        attempt = attempt if attempt.success else await apply_fixes(self._call, start, attempt)
        ended = self._ended(begun, attempt.output)
        attempt = evolve(attempt, action=begun.action, context=ended, strategy="react")
        self.attempts.append(attempt)
        if attempt.success:
            self.output, self.after = attempt.output, ended
            attempt.output.note_sampling(self._so_far())
        return attempt

    def _reject(
        self,
        begun: AttemptStart,
        asked: ModelOutputThunk[Any],
        after: Context,
        call: ModelToolCall,
        attempt: Attempt[Any],
    ) -> None:
        """Tell the model what is wrong with its answer."""
        lines = "".join(f"\n- {reason}" for reason in _reasons(attempt))
        told = refused(asked, call, f"That answer is not accepted:{lines}\nCorrect this, and answer again.")
        self._take_up(begun, asked, after, [told], is_noted=True)

    def _ended(self, begun: AttemptStart, output: ModelOutputThunk[Any]) -> Context:
        """Return the conversation that an answer ends, without the call that it came in."""
        if self._is_aside:
            return self.plan.call.context.add(self.plan.call.action).add(output)
        return begun.context.add(begun.action).add(output)


def _reasons(attempt: Attempt[Any]) -> tuple[str, ...]:
    return tuple(f"{name.rstrip('.')}: {reason}" for name, reason in attempt.failures())


def _split(ctx: Context) -> tuple[Span, Context]:
    """Return what the model is asked next, and the conversation before it.

    That is the newest span, a goal or a result, so that nothing stands between it and the answer to it. After
    anything else the model is told to go on.
    """
    newest, before = ctx.node_data, ctx.previous_node
    if before is not None and newest is not None and not isinstance(newest, ModelOutputThunk):
        return newest, before
    return ReactThought(), ctx
