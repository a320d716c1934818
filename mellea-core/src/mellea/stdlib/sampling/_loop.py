"""The loop that strategies share: lanes of generate, parse, validate, repair.

A subclass says how to go on after a failed attempt (``repair``), when that has no use any more
(``is_stuck``), how an output is made (``generate``), when the call has what it wants (``stops_at``), and
which attempt to return (``choose``, or ``select_from_failure`` for the case that none is a success). Lanes
run side by side, and the first success stops the others.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.budget import Budget, Spending, no_attempt
from mellea.core.component import Span, blockify
from mellea.core.context import Context
from mellea.core.errors import MelleaError, ProviderError, RepetitionError, UsageError
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.hooks import around, listens
from mellea.core.judges import Judge, backend_of, judge_in_force
from mellea.core.reasoning import looking_after_answers
from mellea.core.requirement import Requirement, judge_of
from mellea.core.response import as_usage
from mellea.core.sampling import Attempt, SamplingResult, SamplingStrategy
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.requirements.validate import judged_by
from mellea.stdlib.sampling._attempt import (
    AttemptStart,
    Validations,
    apply_fixes,
    attempt_validations,
    best_attempt,
    judge_attempt,
)
from mellea.stdlib.sampling._lanes import Lanes
from mellea.stdlib.sampling._n_samples import FirstDraws, draws_together
from mellea.stdlib.sampling._repair_conversation import RepairConversation
from mellea.stdlib.sampling._request import SamplingRequest, check_count, requirements_of
from mellea.stdlib.sampling._steering import as_it_went, fates_of, steer_request

if TYPE_CHECKING:
    from mellea.stdlib.sampling._tool_rounds import ToolRounds

__all__ = [
    "BaseSamplingStrategy",
    "RepairConversation",
    "SamplingRequest",
    "Validations",
    "best_attempt",
    "explain_best",
    "explain_failure",
    "explain_success",
    "first_success",
]

T = TypeVar("T")


class BaseSamplingStrategy(SamplingStrategy):
    """Lanes of attempts, each repaired until it is a success or its rounds are spent.

    Args:
        loop_budget: Rounds of each lane.
        concurrency_budget: Lanes, all of which run side by side.
        requirements: Requirements of every call, checked before the call's own.
        budget: What a call may spend in all.
        judge: The backend that judges, or a ``Judge`` such as ``ScoringJudge``, whose word is ``score``; by
            default the session's judge, else the backend that writes.
        spare_judges: Whether no model judges an output that a free check has failed.

    Raises:
        UsageError: A budget is below one, or a requirement is neither text nor requirement.
    """

    def __init__(
        self,
        *,
        loop_budget: int = 1,
        concurrency_budget: int = 1,
        requirements: Iterable[Requirement | str] | None = None,
        budget: Budget | None = None,
        judge: Backend | Judge | str | None = None,
        spare_judges: bool = True,
    ) -> None:
        check_count("loop_budget", loop_budget)
        check_count("concurrency_budget", concurrency_budget)
        self.loop_budget = loop_budget
        self.concurrency_budget = concurrency_budget
        if requirements is not None and not isinstance(requirements, list | tuple | str | Requirement):
            requirements = list(requirements)
        requirements_of(requirements)  # what is no requirement is told here
        self.requirements = requirements
        self.budget = budget
        self.judge = judge_of(judge)
        self.spare_judges = spare_judges

    def __repr__(self) -> str:
        lanes = f", concurrency_budget={self.concurrency_budget}" if self.concurrency_budget != 1 else ""
        return f"{type(self).__name__}(loop_budget={self.loop_budget}{lanes})"

    steers = True
    """Whether requirements that have a form steer the attempts.

    A strategy that asks in a way of its own says no.
    """

    # What a subclass decides

    @staticmethod
    def repair(
        old_ctx: Context,
        new_ctx: Context,
        past_actions: list[Span],
        past_results: list[ModelOutputThunk[Any]],
        past_val: list[Validations],
    ) -> tuple[Span, Context]:
        """Return what to ask next, and in which context. By default the same again.

        Args:
            old_ctx: The context before the failed attempt.
            new_ctx: The context after it.
            past_actions: What was asked so far in this lane.
            past_results: What was answered.
            past_val: What each requirement said of each answer.
        """
        return past_actions[-1], old_ctx

    @staticmethod
    def select_from_failure(
        sampled_actions: list[Span],
        sampled_results: list[ModelOutputThunk[Any]],
        sampled_val: list[Validations],
    ) -> int:
        """Return the index of the attempt to return when none is a success.

        By default the one that meets the most requirements, then has the highest score, then is the latest.
        """
        ranks = [
            (sum(r.result for _, r in val), sum(r.score or 0.0 for _, r in val), i)
            for i, val in enumerate(sampled_val)
        ]
        return max(ranks)[2]

    def next_step(self, old_ctx: Context, new_ctx: Context, *past: Any) -> tuple[Span, Context]:
        """Return what to ask next, and in which context: what ``repair`` says."""
        return self.repair(old_ctx, new_ctx, *past)

    def is_stuck(self, past: Sequence[Attempt[Any]]) -> bool:
        """Tell whether a lane ends early, because asking again has no use; by default it never is."""
        return False

    def stops_at(self, attempt: Attempt[Any]) -> bool:
        """Tell whether an attempt ends the call; by default a success without faults does."""
        return attempt.success and not attempt.faults

    async def generate(
        self, call: SamplingRequest, action: Span, ctx: Context, lane: int, round_: int
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Return one complete output, and the context with it.

        Raises:
            ProviderError: The provider failed; it ends the lane.
        """
        if call.first is not None and round_ == 0 and (drawn := await call.first(lane)) is not None:
            return drawn, ctx.add(action).add(drawn)
        thunk, after = await call.backend.generate_from_context(
            action, ctx, **call.config_for(lane, round_).keywords()
        )
        try:
            await thunk.avalue()
        except BaseException:
            await thunk.cancel_generation()
            raise
        return thunk, after

    async def choose(
        self, call: SamplingRequest, attempts: Sequence[Attempt[Any]], error: MelleaError | None
    ) -> tuple[int, str]:
        """Return the index of the attempt to return, and why it is that one.

        Args:
            call: What was asked.
            attempts: In the order in which they ended; there is at least one.
            error: The provider's error that ended a lane, if one did.

        Raises:
            ProviderError: ``error``, when there is one and no attempt is a success.
        """
        best = first_success(attempts)
        if best is not None:
            return best, explain_success(
                attempts, best
            ) if call.requirements else "there was nothing to check"
        if error is not None:
            raise error
        return self._best_failure(call, attempts)

    # The loop

    async def sample(
        self,
        action: Span,
        context: Context,
        backend: Backend,
        requirements: Sequence[Requirement | str] | None,
        *,
        validation_ctx: Context | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        budget: Budget | None = None,
    ) -> SamplingResult[Any]:
        """Make attempts until one meets every requirement or the budget is spent.

        See ``SamplingStrategy.sample``.
        """
        backend = as_backend(backend)
        judge = judge_in_force() if self.judge is None else self.judge
        call = SamplingRequest(
            blockify(action),
            context,
            backend,
            backend_of(judge, backend),
            judged_by(judge, requirements_of(requirements, requirements_of(self.requirements))),
            GenerateConfig(format, model_options, tool_calls),
            self.loop_budget,
            self._lane_count(),
            self.concurrency_budget,
            self.spare_judges,
            Spending(budget or self.budget or Budget()),
            validation_ctx=validation_ctx,
            strategy=repr(self),
        )
        with call.spending.bounding_money(self._asked_backends(call)):
            if listens("sampling"):
                return await self._told_choice(call)
            return await self._choice(call)

    async def _told_choice(self, call: SamplingRequest) -> SamplingResult[Any]:
        """Make the attempts and choose one, while the handlers of hooks are told."""
        from mellea.stdlib.sampling._told import ToldLoop  # noqa: PLC0415  only where somebody listens

        told = ToldLoop(type(self).__name__)
        try:
            call = await told.begin(call)
            with around(told.sampling_id):
                result = await self._choice(evolve(call, told=told))
        except BaseException as error:
            await told.failed(error)
            raise
        await told.ended(result)
        return result

    async def _choice(self, call: SamplingRequest) -> SamplingResult[Any]:
        """Make the attempts and choose one."""
        call = await steer_request(call) if self.steers else call
        attempts, error = await self._attempts(call)
        if not attempts:
            raise error or no_attempt(call.spending)
        index, why = await self.choose(call, attempts, error)
        told = tuple([_in_call_context(attempt, call) for attempt in attempts])
        return SamplingResult(told, index, why, fates_of(told, index))

    def _asked_backends(self, call: SamplingRequest) -> Iterable[Backend]:
        """Return what a call asks, as far as it is known before: what generates, and what judges."""
        yield call.backend
        for requirement in call.requirements:
            if not requirement.is_free:
                yield backend_of(requirement.judge, call.judge)

    def _lane_count(self) -> int:
        return self.concurrency_budget

    def _best_failure(self, call: SamplingRequest, attempts: Sequence[Attempt[Any]]) -> tuple[int, str]:
        spent = call.spending.reached_bound()
        end = f"; the budget of {spent} is spent" if spent else ""
        if type(self).select_from_failure is BaseSamplingStrategy.select_from_failure:
            index = best_attempt(attempts)
            return index, f"{explain_failure(attempts)}; {explain_best(attempts, index)}{end}"
        answers = [attempt for attempt in attempts if not attempt.tool_results] or attempts
        place = self.select_from_failure(*_lists(answers))
        if not isinstance(place, int) or not -len(answers) <= place < len(answers):
            raise UsageError(
                f"{type(self).__name__}.select_from_failure returned {place!r} for {len(answers)} attempts.",
                hint="Return the index of one of them.",
            )
        index = next(number for number, attempt in enumerate(attempts) if attempt is answers[place])
        return index, f"{explain_failure(attempts)}; {type(self).__name__} selects it{end}"

    async def _attempts(self, call: SamplingRequest) -> tuple[list[Attempt[Any]], MelleaError | None]:
        """Return every attempt in the order in which they ended, and the first error that ended a lane."""
        arrived: list[Attempt[Any] | MelleaError] = []
        async with call.spending.deadline():
            prepared = await call.context.prepare(call.backend)
            await self._collect(call if prepared is call.context else evolve(call, context=prepared), arrived)
        attempts = [entry for entry in arrived if isinstance(entry, Attempt)]
        return attempts, next((entry for entry in arrived if isinstance(entry, MelleaError)), None)

    async def _collect(self, call: SamplingRequest, arrived: list[Attempt[Any] | MelleaError]) -> None:
        """Append what the lanes bring, until there is what the call wants or nothing more comes."""
        if call.lanes == 1:  # needs no task of its own
            async with aclosing(self._lane(call, 0)) as lane:
                await self._take(lane, arrived)
            return
        if draws_together(call):
            call = evolve(call, first=FirstDraws(call).take)
        lanes = Lanes(lambda number: self._lane(call, number), call.lanes, call.at_once)
        try:
            async with lanes:
                await self._take(lanes, arrived)
        finally:
            arrived += lanes.unread()

    async def _take(
        self, entries: AsyncIterator[Attempt[Any] | MelleaError], arrived: list[Attempt[Any] | MelleaError]
    ) -> None:
        async for entry in entries:
            arrived.append(entry)
            if isinstance(entry, Attempt) and self.stops_at(entry):
                return

    async def _lane(
        self, call: SamplingRequest, lane: int
    ) -> AsyncGenerator[Attempt[Any] | MelleaError, None]:
        """Make the attempts of one lane, one after the other. A provider's error ends it."""
        action, ctx = call.action, call.context
        past: list[Attempt[Any]] = []
        for round_ in range(call.rounds):
            begun = AttemptStart(action, ctx, lane, call.first_round + round_, time.perf_counter())
            attempt: Attempt[Any] | None = None
            try:
                async with aclosing(self._attempt(call, begun)) as entries:
                    async for attempt in entries:
                        if call.told is not None:
                            await call.told.attempt(attempt)
                        yield attempt
            except ProviderError as error:
                yield error
                return
            if attempt is None or attempt.tool_results:  # the budget is spent
                return
            past.append(attempt)
            if round_ + 1 == call.rounds or self.is_stuck(past):
                return
            if attempt.success and not call.draws_again(attempt):
                return
            call = call.after(attempt.output)
            if not attempt.success:
                before = attempt.before if attempt.before is not None else ctx
                action, ctx = self.next_step(before, attempt.context, *_lists(past))
                if call.told is not None:
                    await call.told.repair(attempt, action, ctx)

    async def _attempt(
        self, call: SamplingRequest, begun: AttemptStart
    ) -> AsyncGenerator[Attempt[Any], None]:
        """Generate, parse, validate; then let the requirements' own fixes try.

        Where the model calls tools that are to be carried out, each round of them comes before that. Nothing
        comes when the budget is spent.
        """
        rounds = _tool_rounds(call, begun) if call.tool_calls else None
        while True:
            if not call.spending.take_attempt():
                return
            with looking_after_answers():
                output, after = await self._output(call, begun)
            usage = as_usage(output.generation.usage)
            call.spending.add(usage)
            if rounds is None or not rounds.goes_on(output):
                break
            yield await rounds.carry_out(output, after)
            call, begun = rounds.call, rounds.begun
        if rounds is not None:
            begun = rounds.finished(output)
        call = await as_it_went(call)
        attempt = await judge_attempt(call, begun, after, output, usage)
        attempt = attempt if attempt.success else await apply_fixes(call, begun, attempt)
        yield attempt if rounds is None else evolve(attempt, before=begun.context)

    async def _output(
        self, call: SamplingRequest, begun: AttemptStart
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Return an output; of a model that was stopped while it repeated itself, the text so far."""
        try:
            return await self.generate(call, begun.action, begun.context, begun.lane, begun.round)
        except RepetitionError as error:
            output: ModelOutputThunk[Any] = ModelOutputThunk(error.text)
            output.note_no_answer(error.message, error.hint or "")
            return output, begun.context.add(begun.action).add(output)


def _tool_rounds(call: SamplingRequest, begun: AttemptStart) -> ToolRounds | None:
    from mellea.stdlib.sampling._tool_rounds import ToolRounds, runner_of  # noqa: PLC0415  few calls have tools

    runner = runner_of(call)
    return None if runner is None else ToolRounds(call, begun, runner)


def first_success(attempts: Sequence[Attempt[Any]]) -> int | None:
    """Return the index of the first success that has the fewest faults; None without a success."""
    met = [index for index, attempt in enumerate(attempts) if attempt.success]
    return min(met, key=lambda index: len(attempts[index].faults), default=None)


def explain_success(attempts: Sequence[Attempt[Any]], index: int) -> str:
    """Say why a success was chosen."""
    faults = attempts[index].faults
    if not faults:
        drawn = any(attempt.faults and attempt.success for attempt in attempts)
        return f"it was the first to meet every requirement{' without a fault' if drawn else ''}"
    return f"it meets every requirement, with the fewest faults: {'; '.join(faults)}"


def explain_failure(attempts: Sequence[Attempt[Any]]) -> str:
    """Say that no attempt is a success."""
    answers = sum(not attempt.tool_results for attempt in attempts)
    if not answers:
        return "the model was still calling tools"
    return "the only attempt failed" if answers == 1 else f"none of {answers} attempts met every requirement"


def explain_best(attempts: Sequence[Attempt[Any]], index: int) -> str:
    """Say what the best attempt has that the others lack."""
    best, others = attempts[index], [attempt for number, attempt in enumerate(attempts) if number != index]
    if best.tool_results:
        return "it is the latest round of them"
    if best.error is not None:
        return "no answer could be read, and it is the latest" if others else "the answer could not be read"
    met = f"it meets {best.met} of {len(best.results)} requirements" if best.results else "it can be read"
    if all(best.rank[:2] > other.rank[:2] for other in others):
        return f"{met}, the most" if best.results and others else met
    if all(best.rank[:3] > other.rank[:3] for other in others):
        return f"{met}, as many as any, with the fewest faults"
    if all(best.rank > other.rank for other in others):
        return f"{met} with the highest score, {best.score:g}"
    return f"{met}, as many as any, and is the latest"


def _lists(
    attempts: Sequence[Attempt[Any]],
) -> tuple[list[Span], list[ModelOutputThunk[Any]], list[Validations]]:
    return (
        [a.action for a in attempts],
        [a.output for a in attempts],
        [attempt_validations(a) for a in attempts],
    )


def _in_call_context(attempt: Attempt[T], call: SamplingRequest) -> Attempt[T]:
    """Return the attempt as one in the call's own context."""
    if not isinstance(attempt.context, RepairConversation):
        return attempt
    return evolve(attempt, context=call.context.add(call.action).add(attempt.output))
