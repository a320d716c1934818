"""One attempt once its output is there: parse, validate, let the requirements' own fixes try."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeAlias

from attrs import evolve, frozen

from mellea.core._error_words import words_of
from mellea.core.budget import call_within_deadline
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import OutputParseError
from mellea.core.message import Message
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.response import Usage, total_usage
from mellea.core.sampling import Attempt
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.requirements.validate import validated
from mellea.stdlib.sampling._cut_answers import told_cut
from mellea.stdlib.sampling._request import SamplingRequest

__all__ = [
    "AttemptStart",
    "Validations",
    "apply_fixes",
    "attempt_validations",
    "best_attempt",
    "judge_attempt",
]

Validations: TypeAlias = "list[tuple[Requirement, ValidationResult]]"


@frozen
class AttemptStart:
    """What is known of an attempt before its output is there."""

    action: Span
    context: Context
    lane: int
    round: int
    started: float


async def judge_attempt(
    call: SamplingRequest,
    begun: AttemptStart,
    after: Context,
    output: ModelOutputThunk[Any],
    spent: Usage | None,
) -> Attempt[Any]:
    """Return the attempt with what each requirement says of its output.

    Args:
        call: What the strategy was asked for.
        begun: The attempt so far.
        after: The conversation with the output.
        output: The output, complete.
        spent: Tokens spent on the attempt so far.
    """
    error = _parse_error(output)
    if error is not None:
        error += told_cut(call, output)
    results = await validated(
        call.requirements,
        call.seen_by_validators(begun.action, after, output),
        call.judge,
        judge_backend=call.judge,
        spare_judges=call.spare_judges,
        format=call.format,
    )
    for _, result in results:
        call.spending.add(result.usage)
    seconds = time.perf_counter() - begun.started
    return Attempt(
        begun.action,
        after,
        output,
        tuple(results),
        error,
        begun.lane,
        begun.round,
        total_usage([spent, *(result.usage for _, result in results)]),
        seconds,
        feedback=_feedback(begun.action, call.action),
        seed=call.seed_for(begun.lane, begun.round),
        started=time.time() - seconds,
        strategy=call.strategy,
        sent=output.sent,
        steering=call.steering,
        faults=await _faults(call, str(output)),
    )


async def _faults(call: SamplingRequest, text: str) -> tuple[str, ...]:
    """Return what is bad about a steered text beside the rules; nothing where nothing steers."""
    if call.guards is None:
        return ()
    words = await call.backend.whole_words(call.guards.words_in(text))
    return tuple(evolve(call.guards, words=words).faults(text))


def _feedback(action: Span, first: Span) -> str | None:
    """Return what an action tells of the attempt before, or None for what was asked first."""
    told = getattr(action, "feedback", None)
    if told is None and action is not first and isinstance(action, Message):
        return action.content
    return told if isinstance(told, str) else None


async def apply_fixes(call: SamplingRequest, begun: AttemptStart, attempt: Attempt[Any]) -> Attempt[Any]:
    """Return the attempt with the text that a failed requirement's own fix makes, if that one is better."""
    for index, (requirement, _) in enumerate(attempt.results):
        if index >= len(attempt.results) or attempt.results[index][1].result or requirement.repair is None:
            continue
        text, problem = await _mend(requirement, str(attempt.output))
        if problem:
            attempt = _with_note(attempt, index, problem)
        if text == str(attempt.output):
            continue
        output = attempt.output.with_text(text)
        tried = await judge_attempt(
            call, begun, begun.context.add(begun.action).add(output), output, attempt.usage
        )
        better = tried.rank > attempt.rank
        attempt = (
            evolve(tried, fixed_by=requirement.name)
            if better
            else evolve(attempt, usage=tried.usage, seconds=tried.seconds)
        )
        if attempt.success:
            break
    return attempt


def best_attempt(attempts: Sequence[Attempt[Any]]) -> int:
    """Return the index of the best attempt.

    It is an answer, parses, meets the most requirements, has the fewest faults, the highest score, is of the
    latest round.

    Of several lanes that are equal in all this the last one counts, whichever ended first, so that the choice
    repeats.
    """
    return max(
        range(len(attempts)),
        key=lambda index: (attempts[index].rank, attempts[index].round, attempts[index].lane),
    )


def attempt_validations(attempt: Attempt[Any]) -> Validations:
    """Return what there is to repair: the failed parse as if it were a requirement, then the requirements."""
    results = list(attempt.results)
    if attempt.error is None:
        return results
    return [
        (
            Requirement("The answer can be read.", check_only=True),
            ValidationResult(False, reason=attempt.error),
        ),
        *results,
    ]


def _parse_error(output: ModelOutputThunk[Any]) -> str | None:
    if output.no_answer is not None:
        return output.no_answer
    if output.tool_calls:  # they are the answer, and the caller carries them out
        return None
    try:
        output.parsed  # noqa: B018  reading it parses
    except OutputParseError as error:
        return error.message
    return None


async def _mend(requirement: Requirement, text: str) -> tuple[str, str]:
    """Return what a requirement's own fix makes of a text, and what went wrong with the fix.

    Never raises for it.
    """
    try:
        mended = text if requirement.repair is None else await call_within_deadline(requirement.repair, text)
    except Exception as error:  # noqa: BLE001  a fix that raises fixes nothing; the model can still be asked again
        return text, f"its own fix raised {type(error).__name__}: {words_of(error)}"
    if not isinstance(mended, str):
        return text, f"its own fix returned {type(mended).__name__} instead of text"
    return mended, ""


def _with_note(attempt: Attempt[Any], index: int, note: str) -> Attempt[Any]:
    """Return the attempt with something added to the reason of one of its results."""
    results = list(attempt.results)
    requirement, result = results[index]
    reason = f"{result.reason}; {note}" if result.reason else note
    results[index] = requirement, evolve(result, reason=reason)
    return evolve(attempt, results=tuple(results))
