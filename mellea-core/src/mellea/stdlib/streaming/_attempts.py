"""The attempts of one checked stream: cut, look at each chunk, stop or go on, validate the whole, repair.

A run does nothing by itself: whoever asks for the next event lets it go on. Only the generation, which fills
its thunk, goes on meanwhile, so that a reader who leaves has one thing to stop.
"""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

from attrs import evolve, frozen

from mellea.core.chunking import Chunker, ChunkingStrategy
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import GenerationCancelledError
from mellea.core.requirement import PartialValidationResult, Requirement, ValidationResult
from mellea.core.response import as_usage
from mellea.core.sampling import Attempt
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._generate import start_generation
from mellea.stdlib.sampling._attempt import AttemptStart, Validations, attempt_validations, judge_attempt
from mellea.stdlib.sampling._request import SamplingRequest
from mellea.stdlib.streaming._quick_checks import last_checks, looks_at_chunks, quick_checks
from mellea.stdlib.streaming.events import (
    ChunkEvent,
    CompletedEvent,
    FullValidationEvent,
    QuickCheckEvent,
    RetryEvent,
    StreamEvent,
    StreamingDoneEvent,
)

__all__ = ["RepairFunction", "StreamAttempts", "StreamRequest", "closed_error", "reason_of"]

RepairFunction: TypeAlias = (
    "Callable[[Context, Context, list[Span], list[ModelOutputThunk[Any]], list[Validations]], "
    "tuple[Span, Context]]"
)

_NOT_CHECKED = ValidationResult(False, reason="Not checked, because the stream was stopped.", skipped=True)


def closed_error() -> GenerationCancelledError:
    """Return the error for a stream that was closed before its end."""
    return GenerationCancelledError(
        "The stream was closed before its end.", hint="Start it again to get an output."
    )


@frozen
class StreamRequest:
    """What a stream was asked for.

    Args:
        call: The generation and its requirements, as strategies have it.
        chunking: Where to cut; None for the pieces as they come.
        repair: Says what to ask next after a failed attempt.
    """

    call: SamplingRequest
    chunking: ChunkingStrategy | None
    repair: RepairFunction


class StreamAttempts:
    """The attempts of one stream.

    Args:
        plan: What was asked for.
    """

    mot: ModelOutputThunk[Any]
    after: Context

    def __init__(self, plan: StreamRequest) -> None:
        self.plan = plan
        self.number = 0
        self.delivered: list[str] = []
        self.passed: list[str] = []
        self.attempts: list[Attempt[Any]] = []
        self.failures: list[tuple[Requirement, PartialValidationResult]] = []
        self.ended = False
        self.closed = False

    @property
    def text(self) -> str:
        """The text that was handed on of the last attempt, with what separates its chunks."""
        return self.mot.text if self.ended else "".join(self.passed)

    async def begin(self, action: Span, ctx: Context) -> None:
        """Start the generation of the next attempt.

        Raises:
            GenerationCancelledError: The stream was closed.
            UsageError: The call cannot be carried out.
        """
        call = self.plan.call
        if not self.closed:
            self.mot, self.after = await start_generation(
                action, ctx, call.backend, call.config_for(0, self.number)
            )
        if self.closed:  # perhaps while the generation was started
            await self.mot.cancel_generation(closed_error())
            raise closed_error()
        self.number += 1
        self.delivered, self.passed, self.failures, self.ended = [], [], [], False
        self._begun = AttemptStart(action, ctx, 0, self.number - 1, time.perf_counter())

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Go on to the next event, and the next. The first attempt must have begun."""
        try:
            while True:
                async with aclosing(self._attempt()) as happening:
                    async for event in happening:
                        yield event
                last = self.attempts[-1]
                if last.success or self.number == self.plan.call.rounds:
                    break
                yield RetryEvent(self.number, reason_of(last))
                self.plan = evolve(self.plan, call=self.plan.call.after(last.output))
                await self.begin(*self._repair(last))
            yield CompletedEvent(last.success, self.text, self.number)
        finally:
            await self.mot.cancel_generation(closed_error())  # does nothing to a finished one

    def _repair(self, last: Attempt[Any]) -> tuple[Span, Context]:
        actions = [attempt.action for attempt in self.attempts]
        outputs = [attempt.output for attempt in self.attempts]
        return self.plan.repair(
            self._begun.context,
            last.context,
            actions,
            outputs,
            [attempt_validations(a) for a in self.attempts],
        )

    async def _attempt(self) -> AsyncGenerator[StreamEvent, None]:
        """Hand on what passes, stop at what does not, and judge what came to its end."""
        call = self.plan.call
        checks = [
            copy.copy(requirement) for requirement in call.requirements
        ]  # what one has seen is its attempt's own
        watched = any(map(looks_at_chunks, checks))
        async with aclosing(self._chunks()) as chunks:
            async for chunk, verbatim in chunks:
                index = len(self.delivered)
                if watched:
                    verdicts = await quick_checks(checks, chunk, call.judge, self.after, verbatim=verbatim)
                    passed = all(verdict.success != "fail" for verdict in verdicts)
                    if not passed:
                        await self._stop(verbatim, verdicts)
                    yield QuickCheckEvent(index, self.number, passed, tuple(verdicts))
                    if not passed:
                        return
                self.delivered.append(chunk)
                self.passed.append(verbatim)
                yield ChunkEvent(chunk, index, self.number)
        left = await last_checks(checks, call.judge, self.after) if watched else None
        if left is not None:
            passed = all(verdict.success != "fail" for verdict in left)
            if not passed:
                await self._stop("", left)
            yield QuickCheckEvent(len(self.delivered), self.number, passed, tuple(left))
            if not passed:
                return
        self.ended = True
        yield StreamingDoneEvent(self.number, self.mot.text)
        results = await self._judge(checks)
        if call.requirements or call.format is not None:
            yield FullValidationEvent(self.number, self.attempts[-1].success, results)

    async def _chunks(self) -> AsyncGenerator[tuple[str, str], None]:
        """Iterate over the chunks, each with the text from the end of the one before."""
        chunker = None if self.plan.chunking is None else Chunker(self.plan.chunking)
        async with aclosing(aiter(self.mot)) as pieces:  # type: ignore[type-var]  # an asynchronous generator
            async for piece in pieces:
                for chunk in [(piece, piece)] if chunker is None else chunker.feed_verbatim(piece):
                    yield chunk
        for chunk in [] if chunker is None else chunker.flush_verbatim():
            yield chunk

    async def _stop(self, chunk: str, verdicts: Sequence[PartialValidationResult]) -> None:
        """Stop the generation, and keep the attempt with the text up to and with the chunk that fails."""
        requirements, begun = self.plan.call.requirements, self._begun
        self.failures = [
            pair for pair in zip(requirements, verdicts, strict=True) if pair[1].success == "fail"
        ]
        output: ModelOutputThunk[Any] = ModelOutputThunk(
            "".join([*self.passed, chunk]), generation=evolve(self.mot.generation)
        )
        output.sources = self.mot.sources
        results = [_stopped_by(verdict) for verdict in verdicts]
        attempt = Attempt(
            begun.action,
            begun.context.add(begun.action).add(output),
            output,
            tuple(zip(requirements, results, strict=True)),
            round=begun.round,
            seconds=time.perf_counter() - begun.started,
        )
        self.attempts.append(attempt)
        stopped = f"The stream was stopped early: {reason_of(attempt).rstrip('.')}."
        await self.mot.cancel_generation(
            GenerationCancelledError(stopped, hint="Ask again, or relax the requirement.")
        )

    async def _judge(self, checks: Sequence[Requirement]) -> tuple[ValidationResult, ...]:
        """Validate the whole text, and keep the attempt under the requirements that the caller knows."""
        call = self.plan.call
        judging = evolve(call, requirements=tuple(checks), backend=call.judge)
        attempt = await judge_attempt(
            judging, self._begun, self.after, self.mot, as_usage(self.mot.generation.usage)
        )
        results = tuple(result for _, result in attempt.results)
        if len(results) == len(call.requirements):  # otherwise a handler of a hook has put others there
            attempt = evolve(attempt, results=tuple(zip(call.requirements, results, strict=True)))
        self.attempts.append(attempt)
        return results


def _stopped_by(verdict: PartialValidationResult) -> ValidationResult:
    if verdict.success != "fail":
        return _NOT_CHECKED
    return ValidationResult(
        False, reason=verdict.reason or "It fails before the text is complete.", score=verdict.score
    )


def reason_of(attempt: Attempt[Any]) -> str:
    """Return what is wrong with an attempt, in one line; what was not checked is left out."""
    reasons = [attempt.error] if attempt.error is not None else []
    for requirement, result in attempt.results:
        if not result.result and not result.skipped:
            reasons.append(f"{requirement.name.rstrip('.')}: {result.reason or 'not met'}")
    return "; ".join(reasons)
