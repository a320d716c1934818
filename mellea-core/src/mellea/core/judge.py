"""Asking a model whether an output meets requirements."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.questions import (
    Question,
    Questionnaire,
    ask_all,
    fence,
    schema_with_reason,
    transcript_and_answer,
)
from mellea.core.validation import ValidationResult

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["HEAD", "Criterion", "judge"]

HEAD = "You check whether an answer meets a requirement. Be strict and fair."
"""How a prompt begins that asks for verdicts."""
_WORDS = "Does the answer meet the requirement? Begin with yes or no, then give the reason in one sentence."
_JSON = "Give the reason in one sentence, then whether the requirement is met."
_VERDICT = schema_with_reason("verdict", "met", {"type": "boolean"})


class Criterion(Protocol):
    """What a judge decides by."""

    @property
    def description(self) -> str | None:
        """What an output must respect, in words."""

    @property
    def output_to_bool(self) -> Callable[[Any], bool]:
        """What reads a judge's words."""


async def judge(
    criteria: Sequence[Criterion],
    backend: Backend,
    ctx: Context,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return the judge's verdict on each requirement, in order.

    Args:
        criteria: What the last output in ``ctx`` must respect.
        backend: The judge.
        ctx: The conversation, up to and with the output.
        model_options: Options of the judging calls; the temperature is 0 unless they say otherwise.

    Raises:
        UsageError: There is no output, or a requirement has no description.
        ProviderError: The judge could not be asked.
    """
    questions = [_yes_or_no(criterion) for criterion in criteria]
    said, answer = transcript_and_answer(backend, ctx)
    questionnaire = Questionnaire(
        setting=f"{HEAD}\n\nConversation:\n{fence(said)}\n\nAnswer:\n{fence(answer)}",
        noun="requirement",
        wanted=_JSON,
        wanted_in_words=_WORDS,
    )
    return await ask_all(questions, questionnaire, backend, model_options)


def _yes_or_no(criterion: Criterion) -> Question:
    """Return the question whether a requirement is met."""
    if not criterion.description:
        raise UsageError(
            "A requirement has neither a check nor a description to judge by.", hint="Give it one of them."
        )
    return Question(
        criterion.description,
        _VERDICT,
        functools.partial(_verdict, criterion.description),
        functools.partial(_verdict_in_words, criterion.description, criterion.output_to_bool),
    )


def _verdict(description: str, value: Any, text: str) -> ValidationResult:
    """Return the verdict in a JSON value; an answer that cannot be read is a no that says so."""
    if isinstance(value, Mapping) and isinstance(met := value.get("met"), bool):
        return ValidationResult(met, reason=str(value.get("reason") or description))
    unread = f"The judge's answer cannot be read: {json.dumps(text[:120])}"
    return ValidationResult(False, reason=unread, undecided=True)


def _verdict_in_words(description: str, output_to_bool: Callable[[Any], bool], text: str) -> ValidationResult:
    said = text.strip()
    reason = said if len(said.split()) > 1 else description
    try:
        return ValidationResult(output_to_bool(said), reason=reason)
    except Exception as error:  # noqa: BLE001  the program's own function: what it raises is told, not raised
        return ValidationResult(False, reason=reason, error=error, undecided=True)
