"""Grades: how well an output does something, as a model sees it.

A grade is a whole number from one up, with a reason before it: constrained JSON where the backend of the
judge can, else words, in which the first number that is a grade counts.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mellea.core.errors import UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.judges import backend_of
from mellea.core.questions import (
    Question,
    Questionnaire,
    ask_all,
    asks_together,
    fence,
    schema_with_reason,
    transcript_and_answer,
)
from mellea.core.requirement import Requirement, ValidationResult

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context

__all__ = ["GradedRequirement", "first_grade", "graded"]

_LARGEST_SCALE = 100
_HEAD = "You grade answers. Be strict and fair, and use the whole scale."
_NUMBER = re.compile(r"(?<![\w.,\u2013-])[0-9]+(?!\w|[.,][0-9]|[-\u2013]\w)")


class GradedRequirement(Requirement):
    """An output that a model grades; see ``graded``."""

    def __init__(
        self,
        description: str,
        *,
        scale: int = 10,
        at_least: int | None = None,
        check_only: bool = True,
        judge: Backend | None = None,
    ) -> None:
        if not isinstance(description, str) or not description.strip():
            raise UsageError(
                "There is nothing to grade by.", hint='Say it in words, such as graded("How helpful is it?").'
            )
        _check_whole("scale", scale, 2, _LARGEST_SCALE)
        if at_least is not None:
            _check_whole("at_least", at_least, 1, scale)
        super().__init__(description, check_only=check_only, judge=judge)
        self.scale = scale
        self.at_least = at_least

    @property
    def is_free(self) -> bool:
        """Return False: a model grades."""
        return False

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> ValidationResult:
        """Return the grade of the last output in a context as the score, with the judge's reason.

        Raises:
            UsageError: There is no output.
            ProviderError: The judge could not be asked.
        """
        return (await self.grade_all(backend, [ctx], model_options))[0]

    async def grade_all(
        self, backend: Backend, contexts: Sequence[Context], model_options: Mapping[str, Any] | None = None
    ) -> list[ValidationResult]:
        """Return the grade of the last output in each of some contexts.

        A judge that works on one request at a time, and whose output can be constrained, is asked once for
        all answers to the same conversation; what that spent is counted on the first of them. Any other is
        asked about each, side by side.

        Args:
            backend: Grades, unless the requirement names a judge.
            contexts: Conversations, each up to and with an output.
            model_options: Options of the grading calls; the temperature is 0 unless they say otherwise.

        Raises:
            UsageError: There is no output in a context.
            ProviderError: The judge could not be asked.
        """
        judge = backend_of(self.judge, backend)
        by_conversation: dict[str, dict[int, str]] = {}
        for index, ctx in enumerate(contexts):
            said, answer = transcript_and_answer(judge, ctx)
            by_conversation.setdefault(said, {})[index] = answer
        grades = await gather_or_cancel(
            ask_all(
                [self._question(answer) for answer in answers.values()],
                self._questionnaire(said),
                judge,
                model_options,
            )
            for said, answers in by_conversation.items()
        )
        by_index = dict(
            zip(itertools.chain(*by_conversation.values()), itertools.chain(*grades), strict=True)
        )
        return [by_index[index] for index in range(len(contexts))]

    def grades_together(self, backend: Backend) -> bool:
        """Tell whether ``backend``, where it judges, grades all answers to a conversation in one request."""
        return asks_together(backend_of(self.judge, backend))

    def _questionnaire(self, said: str) -> Questionnaire:
        score = f"the score from 1 (worst) to {self.scale} (best)"
        return Questionnaire(
            setting=f"{_HEAD}\n\nConversation:\n{fence(said)}\n\nQuestion: {self.description}",
            noun="answer",
            wanted=f"Give the reason in one sentence, then {score}.",
            wanted_in_words=f"Begin with {score}, then give the reason in one sentence.",
            is_long=True,
        )

    def _question(self, answer: str) -> Question:
        score = {"type": "integer", "enum": list(range(1, self.scale + 1))}
        return Question(
            fence(answer), schema_with_reason("grade", "score", score), self._read_grade, self._read_words
        )

    def _read_grade(self, value: Any, text: str) -> ValidationResult:
        """Return the verdict in constrained output."""
        try:
            score, reason = value["score"], str(value["reason"])
        except (KeyError, TypeError):
            return self._verdict(None, text)
        is_grade = isinstance(score, int) and not isinstance(score, bool) and 1 <= score <= self.scale
        return self._verdict(score, reason) if is_grade else self._verdict(None, text)

    def _read_words(self, text: str) -> ValidationResult:
        said = text.strip()
        return self._verdict(first_grade(said, self.scale), said)

    def _verdict(self, grade: int | None, said: str) -> ValidationResult:
        """Return the verdict that a grade is; without one, what was said instead is part of the reason."""
        is_too_low = self.at_least is not None and (grade or 0) < self.at_least
        if grade is None:
            reason = f"The judge's grade cannot be read: {json.dumps(said[:120])}"
        else:
            wanted = f", and at least {self.at_least} is wanted" if is_too_low else ""
            reason = f"graded {grade} of {self.scale}{wanted}" + (f": {said}" if said else "")
        return ValidationResult(not is_too_low, reason=reason, score=float(grade or 0))


def graded(
    description: str,
    *,
    scale: int = 10,
    at_least: int | None = None,
    check_only: bool = True,
    judge: Backend | None = None,
) -> GradedRequirement:
    """Return a requirement that a model grades.

    Its score is the grade, which ranks attempts and weighs votes.

    The judge sees the conversation and the answer. A grade that cannot be read counts as 0, below every
    grade, and the reason says so. ``BestOfNSamplingStrategy(4, reward=graded("How helpful is it?"))`` returns
    the answer with the best grade.

    Args:
        description: What to grade, in words: a question such as "How helpful is it?".
        scale: The best grade, up to 100; the worst is 1.
        at_least: The lowest grade that meets the requirement; without it, every grade does.
        check_only: Whether to keep the description out of the prompt.
        judge: The backend that grades; by default the one that judges the call.

    Raises:
        UsageError: The description is empty, or a number is out of range.
    """
    return GradedRequirement(description, scale=scale, at_least=at_least, check_only=check_only, judge=judge)


def first_grade(text: str, scale: int) -> int | None:
    """Return the first whole number from 1 to ``scale`` in words, or None.

    "8/10" is an 8, and "7.5" or "-3" is no grade.
    """
    return next((number for found in _NUMBER.findall(text) if 1 <= (number := _small(found)) <= scale), None)


def _small(digits: str) -> int:
    """Return a number; 0 for one that is larger than every scale, however long it is."""
    significant = digits.lstrip("0")
    return int(significant) if 0 < len(significant) <= len(str(_LARGEST_SCALE)) else 0


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(
            f"{name} is a whole number from {least} to {most}, not {value!r}.", hint="Pass one of these."
        )
