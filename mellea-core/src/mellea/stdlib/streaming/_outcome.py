"""What is known of a checked stream: while it is read, and when it is over."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.requirement import PartialValidationResult, Requirement, ValidationResult
from mellea.core.sampling import Attempt, SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.sampling._loop import RepairConversation, best_attempt
from mellea.stdlib.sampling._steering import fates_of
from mellea.stdlib.streaming._attempts import StreamAttempts, reason_of
from mellea.stdlib.streaming.events import CompletedEvent, StreamEvent

__all__ = ["StreamOutcome"]

S = TypeVar("S")


class StreamOutcome(Generic[S]):
    """The fields of a stream; the current attempt is the last one that has begun.

    Args:
        run: The attempts of the stream.
    """

    def __init__(self, run: StreamAttempts) -> None:
        self._run = run
        self._history: list[StreamEvent] = []
        self._error: BaseException | None = None

    @property
    def success(self) -> bool:
        """Whether the last attempt came to its end, fits the format and meets every requirement."""
        return self._completed is not None and self._completed.success

    @property
    def failed_early(self) -> bool:
        """Whether a check has stopped the current attempt before its end."""
        return bool(self._run.failures)

    @property
    def completed_normally(self) -> bool:
        """Whether the text of the current attempt came to its end, whatever validation says of it."""
        return self._run.ended

    @property
    def failure_reason(self) -> str | None:
        """Why the stream is no success, in one line; None while nothing is wrong."""
        if self._error is not None:
            return str(self._error)
        attempt = self._finished_attempt()
        return None if attempt is None or attempt.success else reason_of(attempt)

    @property
    def streaming_failures(self) -> list[tuple[Requirement, PartialValidationResult]]:
        """The requirements that have stopped the current attempt, and what they said."""
        return list(self._run.failures)

    @property
    def final_validations(self) -> list[ValidationResult]:
        """What each requirement says of the whole text.

        Empty before, and when a check has stopped the attempt.
        """
        attempt = self._finished_attempt()
        return [] if attempt is None or self.failed_early else [result for _, result in attempt.results]

    @property
    def full_text(self) -> str:
        """What was handed on of the current attempt."""
        return self._run.text

    @property
    def attempt(self) -> int:
        """The number of the current attempt, from 1."""
        return self._run.number

    @property
    def attempts(self) -> tuple[Attempt[S], ...]:
        """Every attempt that is over."""
        return tuple(self._run.attempts)

    @property
    def mot(self) -> ModelOutputThunk[S]:
        """The output of the current attempt; cancelled when the attempt was stopped."""
        return self._run.mot

    @property
    def parsed(self) -> S:
        """The typed result of the last attempt.

        Raises:
            OutputParseError: The text does not fit the format.
            GenerationCancelledError: The attempt was stopped.
        """
        return cast("S", self._run.mot.parsed)

    @property
    def context(self) -> Context:
        """The conversation up to and with the output of the current attempt."""
        if not isinstance(self._run.after, RepairConversation):
            return self._run.after
        call = self._run.plan.call
        return call.context.add(call.action).add(self._run.mot)

    @property
    def result(self) -> SamplingResult[S]:
        """Every attempt as a sampling result, with the best one chosen.

        A reader has the text of the last one.

        Raises:
            UsageError: No attempt is over yet.
        """
        if not self._run.attempts:
            raise UsageError("No attempt of this stream is over yet.", hint="Read it to the end first.")
        best = best_attempt(self._run.attempts)
        why = (
            "it meets every requirement"
            if self._run.attempts[best].success
            else "no attempt succeeded, and it is the best"
        )
        return SamplingResult(self.attempts, best, why, fates_of(self.attempts, best))

    @property
    def _completed(self) -> CompletedEvent | None:
        last = self._history[-1] if self._history else None
        return last if isinstance(last, CompletedEvent) else None

    def _finished_attempt(self) -> Attempt[S] | None:
        """Return the current attempt, if it is over."""
        attempts = self._run.attempts
        return attempts[-1] if len(attempts) == self._run.number else None
