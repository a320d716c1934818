"""Payloads of the hooks of the loops of strategies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload, list_field

if TYPE_CHECKING:
    from mellea.core.attempt import Attempt
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.requirement import Requirement
    from mellea.core.thunk import ModelOutputThunk
    from mellea.core.validation import ValidationResult

__all__ = [
    "SamplingIterationPayload",
    "SamplingLoopEndPayload",
    "SamplingLoopStartPayload",
    "SamplingRepairPayload",
]


@frozen(kw_only=True)
class SamplingLoopStartPayload(MelleaBasePayload):
    """A strategy is about to make attempts.

    Args:
        sampling_id: The loop; the same in everything that follows.
        strategy_name: The class of the strategy.
        action: What is asked.
        context: The conversation that led here.
        requirements: What the output has to meet.
        loop_budget: Rounds of each lane.
    """

    hook: ClassVar[HookName] = "sampling_loop_start"
    writable: ClassVar[tuple[str, ...]] = ("loop_budget",)

    sampling_id: str = ""
    strategy_name: str = ""
    action: Span | None = None
    context: Context | None = None
    requirements: Sequence[Requirement] = list_field()
    loop_budget: int = 1


@frozen(kw_only=True)
class SamplingIterationPayload(MelleaBasePayload):
    """An attempt has ended.

    Args:
        sampling_id: The loop.
        strategy_name: The class of the strategy.
        iteration: Which round of its lane, from 1.
        action: What was asked.
        result: The output.
        validation_results: What each requirement says.
        all_validations_passed: Whether it can be read, and all are met.
        valid_count: How many are met.
        total_count: How many there are.
        attempt: The attempt.
    """

    hook: ClassVar[HookName] = "sampling_iteration"

    sampling_id: str = ""
    strategy_name: str = ""
    iteration: int = 0
    action: Span | None = None
    result: ModelOutputThunk[Any] | None = None
    validation_results: Sequence[tuple[Requirement, ValidationResult]] = list_field()
    all_validations_passed: bool = False
    valid_count: int = 0
    total_count: int = 0
    attempt: Attempt[Any] | None = None


@frozen(kw_only=True)
class SamplingRepairPayload(MelleaBasePayload):
    """A failed attempt is about to be repaired.

    Args:
        sampling_id: The loop.
        repair_type: What says how: the class of the strategy.
        failed_action: What was asked.
        failed_result: The output.
        failed_validations: What each requirement says.
        repair_action: What is asked next.
        repair_context: The conversation in which it is.
        repair_iteration: Which round that is, from 1.
        attempt: The failed attempt.
    """

    hook: ClassVar[HookName] = "sampling_repair"

    sampling_id: str = ""
    repair_type: str = ""
    failed_action: Span | None = None
    failed_result: ModelOutputThunk[Any] | None = None
    failed_validations: Sequence[tuple[Requirement, ValidationResult]] = list_field()
    repair_action: Span | None = None
    repair_context: Context | None = None
    repair_iteration: int = 0
    attempt: Attempt[Any] | None = None


@frozen(kw_only=True)
class SamplingLoopEndPayload(MelleaBasePayload):
    """A strategy has chosen, or has failed.

    Args:
        sampling_id: The loop.
        strategy_name: The class of the strategy.
        success: Whether the chosen attempt meets every requirement.
        iterations_used: How many attempts were made.
        final_result: The chosen output.
        final_action: What it answers.
        final_context: The conversation with it.
        failure_reason: What it lacks.
        exception: What ends it, if that is an error.
        all_results: The outputs of all attempts.
        all_validations: What each requirement says of each.
        attempts: The attempts.
        latency_ms: Milliseconds since it began.
    """

    hook: ClassVar[HookName] = "sampling_loop_end"

    sampling_id: str = ""
    strategy_name: str = ""
    success: bool = False
    iterations_used: int = 0
    final_result: ModelOutputThunk[Any] | None = None
    final_action: Span | None = None
    final_context: Context | None = None
    failure_reason: str | None = None
    exception: BaseException | None = None
    all_results: Sequence[ModelOutputThunk[Any]] = list_field()
    all_validations: Sequence[Any] = list_field()
    attempts: Sequence[Attempt[Any]] = list_field()
    latency_ms: float = 0.0
