"""Best of n: several answers, and the best of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, TypeGuard

from attrs import evolve

from mellea.core.budget import call_within_deadline
from mellea.core.context import Context
from mellea.core.errors import MelleaError, UsageError
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.response import total_usage
from mellea.core.sampling import Attempt
from mellea.stdlib.requirements.grades import GradedRequirement
from mellea.stdlib.requirements.validate import SPARED
from mellea.stdlib.sampling._loop import BaseSamplingStrategy, best_attempt, explain_best
from mellea.stdlib.sampling._request import SamplingRequest, check_count, requirements_of

__all__ = ["BestOfNSamplingStrategy", "ParallelSamplingStrategy", "Reward", "explain_missing"]

Reward: TypeAlias = "Callable[[str], float | Awaitable[float]] | Requirement"
"""How good a text is, the higher the better; may be asynchronous.

Or a requirement that scores, such as ``graded(...)``.
"""

_TOO_LATE = ValidationResult(
    True, reason="Not graded, because the budget of seconds was spent by then.", skipped=True
)


class ParallelSamplingStrategy(BaseSamplingStrategy):
    """Draws a number of answers, each in a lane of its own, and chooses among them all.

    A lane that fails is left out.

    Args:
        number: How many answers to draw.
        name: What the caller calls this number, for errors.
        reward: Scores each answer: a function, as a requirement that is always met, or a requirement that
            scores.
        requirements: Requirements of every call.
        concurrency_budget: How many answers are drawn at the same time; by default all.
        options: The rest of what ``BaseSamplingStrategy`` takes.

    Raises:
        UsageError: The number is below one.
    """

    def __init__(
        self,
        number: int,
        name: str,
        *,
        reward: Reward | None = None,
        requirements: Iterable[Requirement | str] | None = None,
        concurrency_budget: int | None = None,
        **options: Any,
    ) -> None:
        check_count(name, number)
        at_once = number if concurrency_budget is None else concurrency_budget
        scored = (
            *requirements_of(requirements),
            *([_reward_requirement(reward)] if reward is not None else []),
        )
        super().__init__(concurrency_budget=at_once, requirements=scored, **options)
        self._number = number

    def _lane_count(self) -> int:
        return self._number

    def stops_at(self, attempt: Attempt[Any]) -> bool:
        """Return False: every answer is drawn."""
        return False

    def _grades_last(self) -> bool:
        """Tell whether grades can wait until all answers are drawn."""
        return True

    async def _attempts(self, call: SamplingRequest) -> tuple[list[Attempt[Any]], MelleaError | None]:
        """Return every attempt.

        Grades that cost least when one request asks for all of them are asked for at the end.
        """
        last = [requirement for requirement in call.requirements if _is_graded_last(requirement, call)]
        if not last or not self._grades_last() or call.lanes * call.rounds == 1:
            return await super()._attempts(call)
        before = tuple(requirement for requirement in call.requirements if requirement not in last)
        attempts, error = await super()._attempts(evolve(call, requirements=before))
        for requirement in last:
            attempts = await _grade(requirement, call, attempts)
        return attempts, error


class BestOfNSamplingStrategy(ParallelSamplingStrategy):
    """Draws ``n`` answers side by side and returns the best.

    It meets the most requirements, then has the highest score.

    Scores come from the reward function and from the scores that requirements give. With a seed, each answer
    is drawn with one of its own.

    Args:
        n: How many answers to draw.
        reward: How good a text is, the higher the better; may be asynchronous. Or a requirement that scores,
            such as ``graded("How helpful is it?", judge=backend)``, with which a model grades each answer.
        enough: The score from which an answer that meets every requirement is taken at once; one answer is
            then drawn after the other, unless ``concurrency_budget`` says otherwise. Without it all are.
        options: What ``BaseSamplingStrategy`` takes; ``concurrency_budget`` says how many are drawn at the
            same time, and is ``n`` by default.

    Raises:
        UsageError: ``n`` is below one.
    """

    def __init__(
        self, n: int = 4, *, reward: Reward | None = None, enough: float | None = None, **options: Any
    ) -> None:
        if enough is not None:
            options.setdefault("concurrency_budget", 1)
        super().__init__(n, "n", reward=reward, **options)
        self.enough = enough

    def stops_at(self, attempt: Attempt[Any]) -> bool:
        """Tell whether an answer is good enough."""
        return self.enough is not None and attempt.success and attempt.score >= self.enough

    def _grades_last(self) -> bool:
        return self.enough is None

    async def _collect(self, call: SamplingRequest, arrived: list[Attempt[Any] | MelleaError]) -> None:
        """Append what the lanes bring; one by one, no lane begins before the last one was looked at."""
        if self.enough is None or call.at_once > 1:
            await super()._collect(call, arrived)
            return
        for number in range(call.lanes):
            async with aclosing(self._lane(call, number)) as lane:
                await self._take(lane, arrived)
            if arrived and isinstance(arrived[-1], Attempt) and self.stops_at(arrived[-1]):
                return

    async def choose(
        self, call: SamplingRequest, attempts: Sequence[Attempt[Any]], error: MelleaError | None
    ) -> tuple[int, str]:
        """Return the best attempt."""
        index = best_attempt(attempts)
        return index, f"of {len(attempts)} answers, {explain_best(attempts, index)}{explain_missing(error)}"


def explain_missing(error: MelleaError | None) -> str:
    """Say that a lane failed, if one did."""
    return f"; an answer is missing, because: {error.message}" if error is not None else ""


def _reward_requirement(reward: Reward) -> Requirement:
    if isinstance(reward, Requirement):
        return reward
    if not callable(reward):
        raise UsageError(
            f"{type(reward).__name__} is no reward.", hint='Pass a function of the text, or graded("...").'
        )

    async def score(ctx: Context) -> ValidationResult:
        number = float(await call_within_deadline(reward, str(ctx.last_output())))
        return ValidationResult(True, score=number, reason=f"reward {number:g}")

    return Requirement("reward", score, check_only=True)


def _is_graded_last(requirement: Requirement, call: SamplingRequest) -> TypeGuard[GradedRequirement]:
    """Tell whether a requirement can wait until all answers are drawn.

    It fails none, and grades them in one request.
    """
    if type(requirement) is not GradedRequirement or requirement.at_least is not None:
        return False
    return requirement.grades_together(call.judge)


async def _grade(
    requirement: GradedRequirement, call: SamplingRequest, attempts: Sequence[Attempt[Any]]
) -> list[Attempt[Any]]:
    """Return the attempts with their grades; one that a free check has failed is spared."""
    spared = [
        bool(attempt.tool_results)
        or (call.spare_judges and any(check.is_free and not result for check, result in attempt.results))
        for attempt in attempts
    ]
    judged = [attempt for attempt, is_spared in zip(attempts, spared, strict=True) if not is_spared]
    contexts = [
        call.seen_by_validators(attempt.action, attempt.context, attempt.output) for attempt in judged
    ]
    grades = [_TOO_LATE] * len(judged)
    async with call.spending.deadline():
        grades = await requirement.grade_all(call.judge, contexts)
    results = iter(grades)
    return [
        _with_result(attempt, requirement, SPARED if is_spared else next(results), call)
        for attempt, is_spared in zip(attempts, spared, strict=True)
    ]


def _with_result(
    attempt: Attempt[Any], requirement: Requirement, result: ValidationResult, call: SamplingRequest
) -> Attempt[Any]:
    """Return the attempt with one more result, in the call's order, and count what it has cost."""
    call.spending.add(result.usage)
    results = {id(known): (known, verdict) for known, verdict in (*attempt.results, (requirement, result))}
    return evolve(
        attempt,
        results=tuple(results[id(known)] for known in call.requirements if id(known) in results),
        usage=total_usage([attempt.usage, result.usage]),
        seconds=attempt.seconds + result.seconds,
    )
