"""The loop of a strategy as the handlers of hooks see it: it begins once, and ends once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from attrs import evolve

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import current_scope, fire_in
from mellea.core.sampling import Attempt, SamplingResult
from mellea.stdlib.sampling._request import SamplingRequest, check_count

__all__ = ["ToldLoop"]


class ToldLoop:
    """One loop.

    Args:
        strategy: The class of what makes the attempts.
    """

    def __init__(self, strategy: str) -> None:
        self._scope = current_scope()
        self._started = time.perf_counter()
        self._strategy = strategy
        self.sampling_id = uuid.uuid4().hex
        self._known = {"sampling_id": self.sampling_id, "strategy_name": strategy}
        self._attempts: list[Attempt[Any]] = []

    async def begin(self, call: SamplingRequest) -> SamplingRequest:
        """Say that attempts are about to be made, and return what they are made for."""
        changed = await fire_in(
            self._scope,
            "sampling_loop_start",
            action=call.action,
            context=call.context,
            requirements=call.requirements,
            loop_budget=call.rounds,
            **self._known,
        )
        if changed:
            check_count("loop_budget", changed["loop_budget"])
            call = evolve(call, rounds=changed["loop_budget"])
        return call

    async def attempt(self, attempt: Attempt[Any]) -> None:
        """Say that an attempt has ended."""
        self._attempts.append(attempt)
        await fire_in(
            self._scope,
            "sampling_iteration",
            iteration=attempt.round + 1,
            action=attempt.action,
            result=attempt.output,
            validation_results=attempt.results,
            all_validations_passed=attempt.success,
            valid_count=attempt.met,
            total_count=len(attempt.results),
            attempt=attempt,
            **self._known,
        )

    async def repair(self, failed: Attempt[Any], action: Span, context: Context) -> None:
        """Say what is asked after a failed attempt."""
        await fire_in(
            self._scope,
            "sampling_repair",
            sampling_id=self._known["sampling_id"],
            repair_type=self._strategy,
            failed_action=failed.action,
            failed_result=failed.output,
            failed_validations=failed.results,
            repair_action=action,
            repair_context=context,
            repair_iteration=failed.round + 2,
            attempt=failed,
        )

    async def ended(self, result: SamplingResult[Any]) -> None:
        """Say which attempt was chosen."""
        chosen = result.chosen
        await fire_in(
            self._scope,
            "sampling_loop_end",
            success=result.success,
            final_result=result.result,
            final_action=chosen.action,
            final_context=chosen.context,
            failure_reason=None if result.success else result.shortcoming(),
            **self._all(result.attempts),
        )

    async def failed(self, error: BaseException) -> None:
        """Say that the loop has failed. What handlers raise is logged."""
        await to_the_end(
            fire_in(
                self._scope,
                "sampling_loop_end",
                exception=error,
                failure_reason=str(error) or type(error).__name__,
                **self._all(self._attempts),
            ),
            self._scope.session_id,
        )

    def _all(self, attempts: Sequence[Attempt[Any]]) -> dict[str, Any]:
        return {
            **self._known,
            "iterations_used": len(attempts),
            "all_results": [attempt.output for attempt in attempts],
            "all_validations": [list(attempt.results) for attempt in attempts],
            "attempts": attempts,
            "latency_ms": (time.perf_counter() - self._started) * 1000,
        }
