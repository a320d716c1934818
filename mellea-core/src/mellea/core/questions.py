"""Questions to a judge about outputs, and how its answers are read.

A judge answers in constrained JSON where its backend can, and in words where it cannot. Several questions go
into one request when the backend works on one request at a time, else into one request each, side by side.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import OutputParseError, RepetitionError, UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.generate_config import GenerateConfig
from mellea.core.message import Message
from mellea.core.options import ModelOption, merge_options
from mellea.core.reasoning import looking_after_answers, without_reasoning
from mellea.core.response import Usage, as_usage, total_usage
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.core.validation import ValidationResult

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = [
    "JudgeReply",
    "Question",
    "Questionnaire",
    "ask_all",
    "asks_together",
    "fence",
    "one_reply",
    "schema_with_reason",
    "transcript_and_answer",
]

_MAX_REASON = 240
"""The longest reason that a judge may give, in characters."""
_ROOM = 300
"""Tokens that one answer of a judge and its reason may take."""


@frozen
class Question:
    """One question to a judge, and how its answer is read.

    Args:
        text: What is asked about.
        schema: What the answer looks like, where it can be constrained.
        read: Makes a verdict of the answer's JSON value, which is None when there is none, and of the judge's
            whole text.
        read_words: Makes a verdict of an answer in words.
    """

    text: str
    schema: OutputSchema
    read: Callable[[Any, str], ValidationResult]
    read_words: Callable[[str], ValidationResult]


@frozen(kw_only=True)
class Questionnaire:
    """What questions that may go into one request have in common.

    Args:
        setting: What the judge is told and shown before the question.
        noun: What each question asks about, such as ``requirement``.
        wanted: How to answer in JSON.
        wanted_in_words: How to answer in words.
        is_long: Whether the text of a question stands on lines of its own.
    """

    setting: str
    noun: str
    wanted: str
    wanted_in_words: str
    is_long: bool = False

    def prompt(self, question: Question, *, in_words: bool) -> str:
        """Return the prompt for one question."""
        wanted = self.wanted_in_words if in_words else self.wanted
        return f"{self.setting}\n\n{self._label(self.noun.capitalize(), question)}\n\n{wanted}"

    def prompt_for_all(self, questions: Mapping[str, Question]) -> str:
        """Return the prompt for several questions, by the names under which the answers are wanted."""
        gap = "\n\n" if self.is_long else "\n"
        asked = gap.join(self._label(name, question) for name, question in questions.items())
        heading = f"{self.noun.capitalize()}s"
        return f"{self.setting}\n\n{heading}:\n{asked}\n\nFor each {self.noun}: {self.wanted}"

    def _label(self, label: str, question: Question) -> str:
        gap = "\n" if self.is_long else " "
        return f"{label}:{gap}{question.text}"


async def ask_all(
    questions: Sequence[Question],
    questionnaire: Questionnaire,
    backend: Backend,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return the judge's verdict on each question, in order.

    What a request for several of them spent is counted on the first.

    Args:
        questions: What is asked.
        questionnaire: What the questions have in common.
        backend: The judge.
        model_options: Options of the judging calls; the temperature is 0 unless they say otherwise.

    Raises:
        ProviderError: The judge could not be asked.
    """
    options = merge_options({ModelOption.TEMPERATURE: 0.0}, model_options)
    if len(questions) > 1 and asks_together(backend):
        return await _ask_together(questions, questionnaire, backend, options)
    return await gather_or_cancel(
        _ask_one(question, questionnaire, backend, options) for question in questions
    )


def asks_together(backend: Backend) -> bool:
    """Tell whether several questions to a judge go into one request."""
    return not backend.concurrent and Capability.JSON_SCHEMA in backend.capabilities


def schema_with_reason(name: str, key: str, value: Mapping[str, Any]) -> OutputSchema:
    """Return the schema of a judge's answer: a reason, and then, under a key, what a JSON schema says."""
    reason = {"type": "string", "maxLength": _MAX_REASON}
    return OutputSchema(name, _object_schema({"reason": reason, key: value}), parser=json.loads)


def fence(text: str) -> str:
    """Return a text between marks that it does not contain, so that no line of it passes for ours."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}\n{text}\n{mark}"


def transcript_and_answer(backend: Backend, ctx: Context) -> tuple[str, str]:
    """Return what was said before the last output in a context, and that output, as texts to show to a judge.

    Raises:
        UsageError: There is no output.
    """
    spans = ctx.as_list()
    answer = next(
        (index for index in reversed(range(len(spans))) if isinstance(spans[index], ModelOutputThunk)), None
    )
    if answer is None:
        raise UsageError(
            "There is no output to judge in this context.",
            hint="Generate something first, or pass output=....",
        )
    messages = backend.formatter.to_chat_messages(spans[: answer + 1])
    said = "\n".join(f"{message.role}: {message.content}" for message in messages[:-1])
    return said, messages[-1].content


async def _ask_one(
    question: Question, questionnaire: Questionnaire, backend: Backend, options: Mapping[str, Any]
) -> ValidationResult:
    in_words = Capability.JSON_SCHEMA not in backend.capabilities
    prompt = questionnaire.prompt(question, in_words=in_words)
    reply = await one_reply(prompt, backend, options, None if in_words else question.schema)
    thunk = reply.thunk
    if thunk.no_answer is not None:
        verdict = _no_verdict(thunk.no_answer)
    elif in_words:
        verdict = question.read_words(str(thunk))
    else:
        verdict = question.read(_value(thunk), str(thunk))
    return evolve(verdict, thunk=thunk, context=reply.context, usage=reply.usage, seconds=reply.seconds)


async def _ask_together(
    questions: Sequence[Question],
    questionnaire: Questionnaire,
    backend: Backend,
    options: Mapping[str, Any],
) -> list[ValidationResult]:
    named = {f"{questionnaire.noun}_{number}": question for number, question in enumerate(questions, 1)}
    schema = OutputSchema(
        f"{questions[0].schema.name}s",
        _object_schema({name: question.schema.json_schema for name, question in named.items()}),
        parser=json.loads,
    )
    reply = await one_reply(questionnaire.prompt_for_all(named), backend, options, schema, answers=len(named))
    thunk = reply.thunk
    value = _value(thunk)
    values = value if isinstance(value, Mapping) else {}
    verdicts = [
        question.read(values.get(name), str(thunk))
        if thunk.no_answer is None
        else _no_verdict(thunk.no_answer)
        for name, question in named.items()
    ]
    first, *others = [evolve(verdict, thunk=thunk, context=reply.context) for verdict in verdicts]
    return [evolve(first, usage=reply.usage, seconds=reply.seconds), *others]


def _no_verdict(why: str) -> ValidationResult:
    """Return what comes of a judge that gave no answer; it is no verdict of no."""
    return ValidationResult(False, reason=f"The judge gave no verdict. {why}", undecided=True)


@frozen
class JudgeReply:
    """What a judge replied, and what all requests for it took."""

    context: Context
    usage: Usage | None
    seconds: float

    @property
    def thunk(self) -> ModelOutputThunk[Any]:
        """The output, with which the context ends."""
        return cast("ModelOutputThunk[Any]", self.context.node_data)


async def one_reply(
    prompt: str,
    backend: Backend,
    options: Mapping[str, Any],
    schema: OutputSchema | None = None,
    *,
    answers: int = 1,
) -> JudgeReply:
    """Return a judge's complete reply, with room for so many answers.

    A judge that gave no answer is asked once more: without reasoning, if that was all, and with another seed,
    if it repeated itself.
    """
    started = time.perf_counter()
    room = answers * _ROOM
    bound = backend.options.canonical(backend.model_options).get(ModelOption.MAX_NEW_TOKENS)
    if isinstance(bound, int) and bound < room:  # it is meant for other answers, and would cut this one
        options = merge_options({ModelOption.MAX_NEW_TOKENS: room}, options)
    config = GenerateConfig(schema, options)
    context = await _replied(prompt, backend, config)
    first = cast("ModelOutputThunk[Any]", context.node_data)
    if first.no_answer is None:
        return JudgeReply(context, as_usage(first.generation.usage), time.perf_counter() - started)
    again = without_reasoning(config, backend) if first.thinking else config.under({ModelOption.SEED: 1})
    if again is config:  # reasoning was asked for
        return JudgeReply(context, as_usage(first.generation.usage), time.perf_counter() - started)
    context = await _replied(prompt, backend, again)
    second = cast("ModelOutputThunk[Any]", context.node_data)
    usages = [first.generation.usage, second.generation.usage]
    return JudgeReply(context, total_usage(usages), time.perf_counter() - started)


async def _replied(prompt: str, backend: Backend, config: GenerateConfig) -> Context:
    """Return the conversation of one request, which ends with the complete output."""
    asked = Message("user", prompt)
    with looking_after_answers():
        thunk, _ = await backend.generate_from_context(asked, _NothingShown(), **config.keywords())
    try:
        await thunk.avalue()
    except RepetitionError as error:
        thunk = ModelOutputThunk(error.text)
        thunk.note_no_answer(error.message, error.hint or "")
    except BaseException:
        await thunk.cancel_generation()
        raise
    return _NothingShown().add(asked).add(thunk)


class _NothingShown(Context):
    """A context of one request: nothing before it."""

    def add(self, span: Span) -> Context:
        return self.from_previous(self, span)

    def view_for_generation(self) -> list[Span]:
        return []


def _value(thunk: ModelOutputThunk[Any]) -> Any:
    """Return the JSON value of an answer, or None."""
    try:
        return thunk.parsed
    except OutputParseError:
        return None


def _object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object that has these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
