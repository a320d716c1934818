"""A fast model first, and a slow one when it is stuck (Booch et al., Thinking Fast and Slow in AI, 2021)."""

from __future__ import annotations

from typing import Any, Literal

from mellea.core.backend import Backend
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.sampling._loop import Validations
from mellea.stdlib.sampling._request import check_count
from mellea.stdlib.sampling.cascade import CascadeSamplingStrategy, Handover, feedback_on
from mellea.stdlib.sampling.repair import feedback_message

__all__ = ["SOFAISamplingStrategy"]


class _NoBackendError(UsageError, TypeError):
    pass


class SOFAISamplingStrategy(CascadeSamplingStrategy):
    """Lets a fast model try, with feedback, and asks a slow one once when the fast one is stuck.

    The fast one is stuck when two attempts in a row fail the same requirements, when its rounds are spent, or
    when its provider fails. The result is the first success, else the best attempt of both.

    Args:
        s1_solver_backend: The fast model.
        s2_solver_backend: The slow model.
        s2_solver_mode: What the slow model is given: ``fresh_start``: the action alone; ``continue_chat``:
            the conversation with the fast one; ``best_attempt``: the best attempt so far and what it lacks.
        loop_budget: Rounds of the fast model.
        judge_backend: Judges the requirements that have no check of their own; by default the backend of the
            call does.
        feedback_strategy: What the fast model is told of a failed attempt: ``simple``: that it failed;
            ``first_error``: the first reason; ``all_errors``: every reason.
        options: What ``BaseSamplingStrategy`` takes.

    Raises:
        UsageError: A number or name is not allowed, or a backend is none.
    """

    def __init__(
        self,
        s1_solver_backend: Backend,
        s2_solver_backend: Backend,
        s2_solver_mode: Handover = "fresh_start",
        *,
        loop_budget: int = 3,
        judge_backend: Backend | None = None,
        feedback_strategy: Literal["simple", "first_error", "all_errors"] = "simple",
        **options: Any,
    ) -> None:
        check_count("loop_budget", loop_budget)
        solvers = {"s1_solver_backend": s1_solver_backend, "s2_solver_backend": s2_solver_backend}
        judges = {} if judge_backend is None else {"judge_backend": judge_backend}
        for name, backend in (solvers | judges).items():
            if not hasattr(backend, "generate_from_context"):
                raise _NoBackendError(
                    f"{name} is no backend: {backend!r}.",
                    hint="Pass an open one, such as start_backend(...).",
                )
        if feedback_strategy not in ("simple", "first_error", "all_errors"):
            raise UsageError(
                f"feedback_strategy is {feedback_strategy!r}.",
                hint="It is one of simple, first_error, all_errors.",
            )
        super().__init__(
            [s1_solver_backend, s2_solver_backend],
            loop_budget=[loop_budget, 1],
            handover=s2_solver_mode,
            feedback=feedback_strategy,
            stop_when_stuck=True,
            judge=judge_backend,
            **options,
        )
        self.loop_budget = loop_budget
        self.s1_solver_backend = s1_solver_backend
        self.s2_solver_backend = s2_solver_backend
        self.s2_solver_mode = s2_solver_mode
        self.judge_backend = judge_backend
        self.feedback_strategy = feedback_strategy

    @staticmethod
    def repair(
        old_ctx: Context,
        new_ctx: Context,
        past_actions: list[Span],
        past_results: list[ModelOutputThunk[Any]],
        past_val: list[Validations],
    ) -> tuple[Span, Context]:
        """Return the reason of each requirement that is not met as the next message of the conversation."""
        lacks = [
            result.reason or requirement.name for requirement, result in past_val[-1] if not result.result
        ]
        return feedback_message(feedback_on(lacks)), new_ctx

    def next_step(self, old_ctx: Context, new_ctx: Context, *past: Any) -> tuple[Span, Context]:
        """Return what to ask next, as ``feedback_strategy`` says; a ``repair`` of a subclass goes first."""
        if type(self).repair is not SOFAISamplingStrategy.repair:
            return self.repair(old_ctx, new_ctx, *past)
        return super().next_step(old_ctx, new_ctx, *past)
