"""Comparing a model with an adapter of it on requests that the adapter has not learned from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from mellea.core.backend import Backend
from mellea.core.billing import Spent
from mellea.core.errors import MelleaError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.message import Message
from mellea.core.options import ModelOption
from mellea.core.requirement import Requirement
from mellea.core.scoring import score
from mellea.evaluation.candidates import Candidate
from mellea.evaluation.comparing import acompare
from mellea.evaluation.comparison import Comparison, compared
from mellea.evaluation.outcomes import Outcome, Pair, Verdict
from mellea.evaluation.sequential import PairedTest
from mellea.evaluation.tasks import Task
from mellea.improving.accepted import AcceptedAnswer
from mellea.stdlib.context.chat import ChatContext
from mellea.stdlib.requirements import simple_validate
from mellea.stdlib.session import MelleaSession

__all__ = ["Likelihoods", "compare_by_check", "compare_by_likelihood"]

_MARGIN = math.log(2)
"""An answer that is not even twice as likely says nothing."""
_LIKELY = "The accepted answer is not half as likely, or less, as with the other"


@frozen
class Likelihoods:
    """Mean log-probabilities of a token of the accepted answers.

    Args:
        before: Those of the model.
        after: Those with the adapter.
    """

    before: float
    after: float


async def compare_by_likelihood(
    backend: Backend,
    adapter: str,
    answers: Sequence[AcceptedAnswer],
    names: tuple[str, str],
    *,
    least: float,
    error: float,
) -> tuple[Comparison, Likelihoods]:
    """Compare by how likely the accepted answers are; a side fails where the other makes one twice as likely.

    Args:
        backend: The model, which has the adapter.
        adapter: The adapter.
        answers: Requests that it has not learned from, in an order that has nothing to do with them.
        names: What the model and the adapter are called.
        least: The least difference of success rates that is worth finding.
        error: How often a difference may be found where there is none.
    """
    test, pairs = PairedTest(least=least, error=error), list[Pair]()
    sums, tokens = [0.0, 0.0], 0
    for answer in answers:
        try:
            scores = await gather_or_cancel(
                score(backend, answer.messages, [answer.answer], adapter=each) for each in (None, adapter)
            )
        except MelleaError as failure:
            pairs.append(_failed(answer, names, failure))
        else:
            found = [scored.logprob for (scored,) in scores]
            sums = [before + now for before, now in zip(sums, found, strict=True)]
            tokens += len(scores[0][0].logprobs)
            pairs.append(_pair(answer, names, found))
        if test.add(pairs[-1].score("a", "success"), pairs[-1].score("b", "success")) is not None:
            break
    told = compared(
        names, pairs, least=least, error=error, by="success", tasks=len(answers), spent=Spent(2 * len(pairs))
    )
    before, after = (each / max(tokens, 1) for each in sums)
    return told, Likelihoods(before, after)


def _pair(answer: AcceptedAnswer, names: tuple[str, str], logprobs: Sequence[float]) -> Pair:
    a, b = (
        Outcome(
            f"call {answer.call}",
            name,
            f"{answer.answer}\n(log-probability {own:.3f})",
            (Verdict(_LIKELY, own >= other - _MARGIN, f"{own:.3f} to {other:.3f}", own),),
            question=answer.messages[-1].content,
        )
        for name, own, other in zip(names, logprobs, logprobs[::-1], strict=True)
    )
    return Pair(a, b)


def _failed(answer: AcceptedAnswer, names: tuple[str, str], failure: MelleaError) -> Pair:
    a, b = (Outcome(f"call {answer.call}", name, error=str(failure)) for name in names)
    return Pair(a, b)


async def compare_by_check(
    backend: Backend,
    adapter: str,
    answers: Sequence[AcceptedAnswer],
    names: tuple[str, str],
    check: Callable[[str], Any],
    *,
    least: float,
    error: float,
    max_tokens: int,
) -> Comparison:
    """Compare by what a function says of new answers to the same requests, drawn at temperature 0.

    Args:
        backend: The model, which has the adapter.
        adapter: The adapter.
        answers: Requests that it has not learned from.
        names: What the model and the adapter are called.
        check: Takes an answer, and returns whether it is good.
        least: The least difference of success rates that is worth finding.
        error: How often a difference may be found where there is none.
        max_tokens: The most tokens of an answer.

    Raises:
        UsageError: The function takes something else.
    """
    named = getattr(check, "__name__", "the check")
    wanted = Requirement(f"{named} says so", validation_fn=simple_validate(check))
    tasks = [
        Task(inputs={"messages": answer.messages}, requirements=[wanted], id=f"call {answer.call}")
        for answer in answers
    ]
    options = {ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: max_tokens}
    before, after = (
        Candidate(program=_asked, backend=backend, name=name, model_options={**options, **more})
        for name, more in zip(names, ({}, {ModelOption.ADAPTER: adapter}), strict=True)
    )
    return await acompare(before, after, tasks, least=least, error=error)


async def _asked(session: MelleaSession, messages: Sequence[Message]) -> Any:
    """Return what a model answers to a conversation."""
    *before, last = messages
    context = ChatContext()
    for message in before:
        context = context.add(message)
    talk = MelleaSession(session.backend, context, model_options=session.model_options)
    return await talk.aact(last, strategy=None, await_result=True)
