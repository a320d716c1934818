"""Grades: how well an output does something, as a model sees it.

A grade is a whole number from one up, with a reason before it: constrained JSON where the backend of the judge can, else words,
in which the first number that is a grade counts.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mellea.core.capabilities import Capability
from mellea.core.errors import OutputParseError, UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.judge import MAX_REASON, ask, transcript_and_answer
from mellea.core.options import ModelOption, merge_options
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk

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

        A judge that works on one request at a time, and whose output can be constrained, is asked once for all answers to the
        same conversation; what that spent is counted on the first of them. Any other is asked about each, side by side.

        Args:
            backend: Grades, unless the requirement names a judge.
            contexts: Conversations, each up to and with an output.
            model_options: Options of the grading calls; the temperature is 0 unless they say otherwise.

        Raises:
            UsageError: There is no output in a context.
            ProviderError: The judge could not be asked.
        """
        judge = self.judge or backend
        options = merge_options({ModelOption.TEMPERATURE: 0.0}, model_options)
        shown = [transcript_and_answer(judge, ctx) for ctx in contexts]
        together = self.grades_together(backend)
        groups: dict[object, list[int]] = {}
        for index, (said, _) in enumerate(shown):
            groups.setdefault(said if together else index, []).append(index)
        grades = await gather_or_cancel(
            self._grade(judge, [shown[index] for index in group], options) for group in groups.values()
        )
        by_index = dict(zip(itertools.chain(*groups.values()), itertools.chain(*grades), strict=True))
        return [by_index[index] for index in range(len(shown))]

    def grades_together(self, backend: Backend) -> bool:
        """Tell whether all answers to a conversation are graded in one request, where ``backend`` is the one that judges."""
        judge = self.judge or backend
        return not judge.concurrent and Capability.JSON_SCHEMA in judge.capabilities

    async def _grade(
        self, judge: Backend, shown: Sequence[tuple[str, str]], options: Mapping[str, Any]
    ) -> list[ValidationResult]:
        """Grade, in one request, answers to the same conversation."""
        said, answer = shown[0]
        if len(shown) > 1:
            return await self._together(judge, said, [answer for _, answer in shown], options)
        if Capability.JSON_SCHEMA in judge.capabilities:
            return [await self._constrained(judge, said, answer, options)]
        return [await self._in_words(judge, said, answer, options)]

    async def _constrained(
        self, judge: Backend, said: str, answer: str, options: Mapping[str, Any]
    ) -> ValidationResult:
        prompt = f"{self._asked(said)}\n\nAnswer:\n{answer}\n\nGive the reason in one sentence, then the score {self._range}."
        thunk, seconds = await ask(prompt, judge, options, OutputSchema("grade", self._schema))
        return self._result(*self._read(thunk), thunk, seconds)

    async def _in_words(
        self, judge: Backend, said: str, answer: str, options: Mapping[str, Any]
    ) -> ValidationResult:
        prompt = f"{self._asked(said)}\n\nAnswer:\n{answer}\n\nBegin with the score {self._range}, then give the reason in one sentence."
        thunk, seconds = await ask(prompt, judge, options, None)
        text = str(thunk).strip()
        return self._result(first_grade(text, self.scale), text, thunk, seconds)

    async def _together(
        self, judge: Backend, said: str, answers: Sequence[str], options: Mapping[str, Any]
    ) -> list[ValidationResult]:
        names = [f"answer_{number}" for number in range(1, len(answers) + 1)]
        schema = {
            "type": "object",
            "properties": dict.fromkeys(names, self._schema),
            "required": names,
            "additionalProperties": False,
        }
        listed = "\n\n".join(f"{name}:\n{answer}" for name, answer in zip(names, answers, strict=True))
        wanted = f"For each answer: give the reason in one sentence, then the score {self._range}."
        prompt = f"{self._asked(said)}\n\n{listed}\n\n{wanted}"
        thunk, seconds = await ask(
            prompt, judge, options, OutputSchema("grades", schema), verdicts=len(names)
        )
        first = self._result(*self._read(thunk, names[0]), thunk, seconds)
        return [first, *(self._result(*self._read(thunk, name), thunk) for name in names[1:])]

    def _asked(self, said: str) -> str:
        return f"{_HEAD}\n\nConversation:\n{said}\n\nQuestion: {self.description}"

    @property
    def _range(self) -> str:
        return f"from 1 (worst) to {self.scale} (best)"

    @property
    def _schema(self) -> dict[str, Any]:
        properties = {
            "reason": {"type": "string", "maxLength": MAX_REASON},
            "score": {"type": "integer", "enum": list(range(1, self.scale + 1))},
        }
        return {
            "type": "object",
            "properties": properties,
            "required": ["reason", "score"],
            "additionalProperties": False,
        }

    def _read(self, thunk: ModelOutputThunk[Any], name: str | None = None) -> tuple[int | None, str]:
        """Return the grade and the reason in constrained output; no grade, and all that was said, if they cannot be read."""
        try:
            entry = thunk.parsed if name is None else thunk.parsed[name]
            score, reason = entry["score"], str(entry["reason"])
        except (OutputParseError, KeyError, TypeError):
            return None, str(thunk)
        whole = isinstance(score, int) and not isinstance(score, bool) and 1 <= score <= self.scale
        return (score, reason) if whole else (None, str(thunk))

    def _result(
        self, grade: int | None, said: str, thunk: ModelOutputThunk[Any], seconds: float | None = None
    ) -> ValidationResult:
        """Return the verdict on one answer; ``seconds`` is None when another verdict counts what it cost."""
        missing_capability = self.at_least is not None and (grade or 0) < self.at_least
        if grade is None:
            reason = f"The judge's grade cannot be read: {json.dumps(said[:120])}"
        else:
            wanted = f", and at least {self.at_least} is wanted" if missing_capability else ""
            reason = f"graded {grade} of {self.scale}{wanted}" + (f": {said}" if said else "")
        usage = thunk.generation.usage if seconds is not None else None
        return ValidationResult(
            not missing_capability,
            reason=reason,
            score=float(grade or 0),
            thunk=thunk,
            usage=usage,
            seconds=seconds or 0.0,
        )


def graded(
    description: str,
    *,
    scale: int = 10,
    at_least: int | None = None,
    check_only: bool = True,
    judge: Backend | None = None,
) -> GradedRequirement:
    """Return a requirement that a model grades: its score is the grade, which ranks attempts and weighs votes.

    The judge sees the conversation and the answer. A grade that cannot be read counts as 0, below every grade, and the reason
    says so. ``BestOfNSamplingStrategy(4, reward=graded("How helpful is it?"))`` returns the answer with the best grade.

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
    """Return the first whole number from 1 to ``scale`` in words, or None; "8/10" is an 8, and "7.5" or "-3" is no grade."""
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
