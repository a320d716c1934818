"""A cascade: several backends, the cheapest first; the next one is asked when one fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, get_args

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import MelleaError, UsageError
from mellea.core.foreign_backend import as_backend
from mellea.core.sampling import Attempt
from mellea.stdlib.sampling._attempt import Validations, attempt_validations, best_attempt
from mellea.stdlib.sampling._loop import (
    BaseSamplingStrategy,
    explain_best,
    explain_failure,
    explain_success,
    first_success,
)
from mellea.stdlib.sampling._request import SamplingRequest, check_count
from mellea.stdlib.sampling._steering import steer_request
from mellea.stdlib.sampling.repair import bullet_list, continue_conversation, failed_reasons, with_feedback

__all__ = ["CascadeSamplingStrategy", "Feedback", "Handover", "feedback_on"]

Handover: TypeAlias = Literal["fresh_start", "continue_chat", "best_attempt"]
"""What the next backend is given.

The action alone, the conversation so far, or the best attempt so far and what it lacks.
"""
Feedback: TypeAlias = Literal["none", "simple", "first_error", "all_errors"]
"""What a backend is told of its failed attempt before it tries again.

Nothing, that it failed, the first reason, or all.
"""


class CascadeSamplingStrategy(BaseSamplingStrategy):
    """Asks one backend after the other, the cheapest first, each for its own number of rounds.

    It goes on to the next backend when none of a backend's attempts is a success, and when its provider
    fails. One budget bounds them all. If none succeeds, the best attempt of all is returned. The backend with
    which ``sample`` is called generates nothing; it judges, unless ``judge`` is given, so that no backend in
    the list is the judge of its own answers.

    Args:
        backends: What to ask, in this order.
        loop_budget: Rounds of each backend: one number for all, or one for each.
        handover: What the next backend is given.
        feedback: What a backend is told of its failed attempt before it tries again.
        stop_when_stuck: Whether to go on to the next backend as soon as two attempts in a row fail the same
            requirements.
        options: What ``BaseSamplingStrategy`` takes; ``concurrency_budget`` lanes run for each backend.

    Raises:
        UsageError: There is no backend, something in the list is none, or a number or name is not allowed.
    """

    steers = False  # the backends may differ in what they keep, so that each stage is steered by itself

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        loop_budget: int | Sequence[int] = 1,
        handover: Handover = "fresh_start",
        feedback: Feedback = "none",
        stop_when_stuck: bool = False,
        **options: Any,
    ) -> None:
        self.backends = tuple(backends)
        _check_backends(self.backends)
        rounds = [loop_budget] * len(self.backends) if isinstance(loop_budget, int) else list(loop_budget)
        if len(rounds) != len(self.backends):
            raise UsageError(
                f"loop_budget has {len(rounds)} numbers for {len(self.backends)} backends.",
                hint="Give one number for each.",
            )
        for number in rounds:
            check_count("loop_budget", number)
        _check_word("handover", handover, Handover)
        _check_word("feedback", feedback, Feedback)
        super().__init__(loop_budget=sum(rounds), **options)
        self.rounds = tuple(rounds)
        self.handover = handover
        self.feedback = feedback
        self.stop_when_stuck = stop_when_stuck

    def is_stuck(self, past: Sequence[Attempt[Any]]) -> bool:
        """Tell whether a backend's rounds end because its last two attempts fail the same requirements."""
        return self.stop_when_stuck and len(past) > 1 and _failed_set(past[-1]) == _failed_set(past[-2])

    def next_step(self, old_ctx: Context, new_ctx: Context, *past: Any) -> tuple[Span, Context]:
        """Return the same again, or the feedback as the next message of the conversation."""
        if type(self).repair is not CascadeSamplingStrategy.repair and self.feedback == "none":
            return self.repair(old_ctx, new_ctx, *past)
        actions, _, validations = past
        if self.feedback == "none":
            return actions[-1], old_ctx
        return continue_conversation(_feedback_text(self.feedback, validations[-1]), new_ctx)

    def _asked_backends(self, call: SamplingRequest) -> Iterable[Backend]:
        """Return the backends of the cascade, and what judges."""
        _, *judges = super()._asked_backends(call)
        return [*map(as_backend, self.backends), *judges]

    async def _collect(self, call: SamplingRequest, arrived: list[Attempt[Any] | MelleaError]) -> None:
        first_round = 0
        for backend, rounds in zip(self.backends, self.rounds, strict=True):
            before = [entry for entry in arrived if isinstance(entry, Attempt)]
            action, ctx = self._handed_over(call, before)
            stage = evolve(
                call,
                backend=as_backend(backend),
                action=action,
                context=ctx,
                rounds=rounds,
                first_round=first_round,
            )
            await super()._collect(await steer_request(stage), arrived)
            first_round += rounds
            now = [entry for entry in arrived if isinstance(entry, Attempt)]
            if any(attempt.success for attempt in now[len(before) :]) or call.spending.reached_bound():
                return

    def _handed_over(self, call: SamplingRequest, attempts: Sequence[Attempt[Any]]) -> tuple[Span, Context]:
        """Return what the next backend is asked, and in which context."""
        if not attempts or self.handover == "fresh_start":
            return call.action, call.context
        if self.handover == "continue_chat":
            last = attempts[-1]
            return continue_conversation(
                _feedback_text(self.feedback, attempt_validations(last)), last.context
            )
        best = attempts[best_attempt(attempts)]
        return with_feedback(
            call.action, best.output, failed_reasons(attempt_validations(best))
        ), call.context

    async def choose(
        self, call: SamplingRequest, attempts: Sequence[Attempt[Any]], error: MelleaError | None
    ) -> tuple[int, str]:
        """Return the first success, else the best attempt of all backends."""
        best_met = first_success(attempts)
        if best_met is not None:
            why = explain_success(attempts, best_met)
            return best_met, f"{why}, from {self._name_of(attempts[best_met])}"
        index = best_attempt(attempts)
        failed = f"; a backend failed: {error.message}" if error is not None else ""
        spent = call.spending.reached_bound()
        end = f"; the budget of {spent} is spent" if spent else ""
        best = f"{explain_best(attempts, index)}, from {self._name_of(attempts[index])}"
        return index, f"{explain_failure(attempts)}; {best}{failed}{end}"

    def _name_of(self, attempt: Attempt[Any]) -> str:
        """Return which backend of the list made an attempt: its rounds are numbered through."""
        last_round = 0
        for number, rounds in enumerate(self.rounds, 1):
            last_round += rounds
            if attempt.round < last_round:
                return f"backend {number} of {len(self.rounds)}"
        return "another backend"


def _check_backends(backends: Sequence[Any]) -> None:
    if not backends:
        raise UsageError("A cascade needs a backend.", hint="Pass backends=[cheap, strong].")
    for backend in backends:
        if not hasattr(backend, "generate_from_context"):
            raise UsageError(
                f"{backend!r} is no backend.", hint="Pass open backends, such as start_backend(...)."
            )


def _check_word(name: str, value: object, words: Any) -> None:
    if value not in get_args(words):
        raise UsageError(f"{name} is {value!r}.", hint=f"It is one of {', '.join(get_args(words))}.")


def _failed_set(attempt: Attempt[Any]) -> frozenset[object]:
    """Return which requirements an attempt fails; a failed parse counts as one, whatever is wrong with it."""
    failed: set[object] = {id(requirement) for requirement, result in attempt.results if not result.result}
    return frozenset(failed | ({"parse"} if attempt.error is not None else set()))


def _feedback_text(feedback: Feedback, results: Validations) -> str:
    """Return what a model is told of its failed attempt."""
    reasons = failed_reasons(results)
    if feedback in ("none", "simple") or not reasons:
        return "That answer is not right yet. Think again, and write a new answer. Do not repeat the old one."
    return feedback_on(reasons[:1] if feedback == "first_error" else reasons)


def feedback_on(lacks: Sequence[str]) -> str:
    """Return what a model is told of a failed attempt that lacks this."""
    again = "Write a new answer that corrects this. Do not repeat the old one."
    return f"That answer is not right yet:\n{bullet_list(lacks)}\n{again}"
