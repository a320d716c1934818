"""A judge by one forward pass: how likely its model is to say yes rather than no.

Nothing is written but the one word. A backend that scores is asked for the probability of each word behind a
prompt that all requirements of an output share but for their own lines; one that gives log-probabilities is
asked for one token with its likeliest alternatives; any other judges in writing, without a probability.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from mellea.core.capabilities import Capability
from mellea.core.errors import CapabilityError, UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.foreign_backend import as_backend
from mellea.core.judge import HEAD, Criterion, judge
from mellea.core.judges import Judge
from mellea.core.message import Message
from mellea.core.options import ModelOption, merge_options
from mellea.core.questions import fence, one_reply, transcript_and_answer
from mellea.core.scoring import ScoringAPI, score
from mellea.core.validation import ValidationResult

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context

__all__ = ["BY_SCORE", "ScoringJudge", "judge_named"]

_WORDS = {"Yes": True, "No": False, "yes": True, "no": False}
_ALTERNATIVES = 20
"""As many as OpenAI gives."""


@frozen
class ScoringJudge(Judge):
    """Judges by the probability of yes against no, from one forward pass for each requirement.

    The verdict has it as ``probability`` and as score, and says in ``basis`` how it was had: ``scored`` where
    the backend scores, ``log-probabilities`` where it gives those, ``written`` where it does neither, and the
    judge writes its verdict as usual. It is ``uncalibrated``: see ``mellea.evaluation.calibrate``.

    Args:
        backend: What is asked; by default the backend that would judge without this.

    Raises:
        UsageError: It is no backend.
    """

    backend: Backend | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.backend, str | Judge):
            raise UsageError(f"{self.backend!r} is no backend.", hint="Pass an open one, or none.")

    async def verdicts(
        self,
        criteria: Sequence[Criterion],
        backend: Backend,
        ctx: Context,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return the verdict on each requirement, in order. See ``Judge.verdicts``."""
        backend = as_backend(self.backend or backend)
        if not all(criterion.description for criterion in criteria):
            raise UsageError(
                "A requirement has neither a check nor a description to judge by.",
                hint="Give it one of them.",
            )
        if isinstance(backend, ScoringAPI):
            try:
                return await _scored(criteria, backend, ctx)
            except CapabilityError:  # its engine cannot run this model
                pass
        if Capability.LOGPROBS in backend.capabilities:
            return await gather_or_cancel(
                _read(criterion, backend, ctx, model_options) for criterion in criteria
            )
        return [_as_written(verdict) for verdict in await judge(criteria, backend, ctx, model_options)]


BY_SCORE = ScoringJudge()
"""The one that ``judge="score"`` names."""


def judge_named(word: str) -> Judge:
    """Return the judge of a word.

    Raises:
        UsageError: No judge has it.
    """
    if word != "score":
        raise UsageError(f"There is no judge {word!r}.", hint='Pass "score", a judge, or an open backend.')
    return BY_SCORE


def _prompt(criterion: Criterion, backend: Backend, ctx: Context) -> str:
    """Return the prompt for one requirement; those of one output differ from the requirement on."""
    said, answer = transcript_and_answer(backend, ctx)
    return (
        f"{HEAD}\n\nConversation:\n{fence(said)}\n\nAnswer:\n{fence(answer)}\n\n"
        f"Requirement: {criterion.description}\n\nDoes the answer meet the requirement? Say only Yes or No."
    )


async def _scored(criteria: Sequence[Criterion], backend: Backend, ctx: Context) -> list[ValidationResult]:
    """Return the verdicts of a backend that scores."""

    async def one(criterion: Criterion) -> ValidationResult:
        started = time.perf_counter()
        scores = await score(backend, [Message("user", _prompt(criterion, backend, ctx))], list(_WORDS))
        found = _of_masses((each.text, math.exp(each.logprob)) for each in scores)
        seconds = time.perf_counter() - started
        return evolve(_verdict(0.5 if found is None else found, "scored"), seconds=seconds)

    return await gather_or_cancel(one(criterion) for criterion in criteria)


async def _read(
    criterion: Criterion, backend: Backend, ctx: Context, model_options: Mapping[str, Any] | None
) -> ValidationResult:
    """Return a verdict from log-probabilities; one in writing where the first token is neither word."""
    options = merge_options(
        {ModelOption.TEMPERATURE: 0.0, ModelOption.MAX_NEW_TOKENS: 1, ModelOption.LOGPROBS: _ALTERNATIVES},
        model_options,
    )
    reply = await one_reply(_prompt(criterion, backend, ctx), backend, options)
    tokens = reply.thunk.generation.logprobs or ()
    masses = [
        (each.token.strip(), each.probability)
        for each in (tokens[0].alternatives or tokens[:1] if tokens else ())
    ]
    found = _of_masses(masses)
    if found is None:
        [verdict] = await judge([criterion], backend, ctx, model_options)
        return _as_written(verdict)
    verdict = _verdict(found, "log-probabilities")
    return evolve(verdict, thunk=reply.thunk, context=reply.context, usage=reply.usage, seconds=reply.seconds)


def _of_masses(masses: Iterable[tuple[str, float]]) -> float | None:
    """Return the probability of yes against no; None where there is neither."""
    known = {True: 0.0, False: 0.0}
    for word, mass in masses:
        if word.capitalize() in _WORDS:
            known[_WORDS[word.capitalize()]] += mass
    total = sum(known.values())
    return known[True] / total if total else None


def _verdict(probability: float, basis: str) -> ValidationResult:
    return ValidationResult(
        probability >= 0.5,
        reason=f"The judge says yes with a probability of {probability:.2f}.",
        score=probability,
        probability=probability,
        basis=basis,
        trust="uncalibrated",
    )


def _as_written(verdict: ValidationResult) -> ValidationResult:
    return evolve(verdict, basis="written", trust="uncalibrated")
