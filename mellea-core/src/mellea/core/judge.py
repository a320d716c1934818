"""Asking a model whether an output meets requirements.

A judge answers in constrained JSON where its backend can, and in words that begin with yes or no where it cannot. Several
requirements go into one request when the backend works on one request at a time, else into one request each, side by side.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import OutputParseError, UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.message import Message
from mellea.core.options import ModelOption, merge_options
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["ask", "judge", "transcript_and_answer"]

MAX_REASON = 240
"""The longest reason that a judge may give, in characters."""
_ROOM = 300
"""Tokens that one verdict and its reason may take."""
_HEAD = "You check whether an answer meets a requirement. Be strict and fair."
_WORDS = "Does the answer meet the requirement? Begin with yes or no, then give the reason in one sentence."
_JSON = "Give the reason in one sentence, then whether the requirement is met."


class _NothingShown(Context):
    """A context of one request: nothing before it."""

    def add(self, span: Span) -> Context:
        return self.from_previous(self, span)

    def view_for_generation(self) -> list[Span]:
        return []


async def judge(
    requirements: Sequence[Requirement],
    backend: Backend,
    ctx: Context,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return the judge's verdict on each requirement, in order.

    Args:
        requirements: What the last output in ``ctx`` must respect.
        backend: The judge.
        ctx: The conversation, up to and with the output.
        model_options: Options of the judging calls; the temperature is 0 unless they say otherwise.

    Raises:
        UsageError: There is no output, or a requirement has no description.
        ProviderError: The judge could not be asked.
    """
    for requirement in requirements:
        if not requirement.description:
            raise UsageError(
                "A requirement has neither a check nor a description to judge by.",
                hint="Give it one of them.",
            )
    said, answer = transcript_and_answer(backend, ctx)
    shown = f"Conversation:\n{said}\n\nAnswer:\n{answer}"
    options = merge_options({ModelOption.TEMPERATURE: 0.0}, model_options)
    can_constrain = Capability.JSON_SCHEMA in backend.capabilities
    if can_constrain and len(requirements) > 1 and not backend.concurrent:
        return await _together(requirements, backend, shown, options)
    one = _constrained if can_constrain else _in_words
    return await gather_or_cancel(one(requirement, backend, shown, options) for requirement in requirements)


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


async def ask(
    prompt: str,
    backend: Backend,
    options: Mapping[str, Any],
    schema: OutputSchema | None,
    *,
    verdicts: int = 1,
) -> tuple[ModelOutputThunk[Any], float]:
    """Return a judge's complete answer to a prompt, and the seconds that it took.

    Args:
        prompt: All that the judge sees.
        backend: The judge.
        options: Options of the call.
        schema: What the answer must look like, for a backend that can constrain it.
        verdicts: How many reasons the answer has room for, where the backend's own options bound its length to less.

    Raises:
        ProviderError: The judge could not be asked.
    """
    started = time.perf_counter()
    bound = backend.options.canonical(backend.model_options).get(ModelOption.MAX_NEW_TOKENS)
    if (
        isinstance(bound, int) and bound < verdicts * _ROOM
    ):  # meant for the answers, and would cut the verdict
        options = merge_options({ModelOption.MAX_NEW_TOKENS: verdicts * _ROOM}, options)
    thunk, _ = await backend.generate_from_context(
        Message("user", prompt), _NothingShown(), format=schema, model_options=options
    )
    try:
        await thunk.avalue()
    except BaseException:
        await thunk.cancel_generation()
        raise
    return thunk, time.perf_counter() - started


async def _in_words(
    requirement: Requirement, backend: Backend, shown: str, options: Mapping[str, Any]
) -> ValidationResult:
    prompt = f"{_HEAD}\n\n{shown}\n\nRequirement: {requirement.description}\n\n{_WORDS}"
    thunk, seconds = await ask(prompt, backend, options, None)
    text = str(thunk).strip()
    reason = text if len(text.split()) > 1 else requirement.description
    met = requirement.output_to_bool(text)
    return ValidationResult(met, reason=reason, thunk=thunk, usage=thunk.generation.usage, seconds=seconds)


_VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string", "maxLength": MAX_REASON}, "met": {"type": "boolean"}},
    "required": ["reason", "met"],
    "additionalProperties": False,
}


async def _constrained(
    requirement: Requirement, backend: Backend, shown: str, options: Mapping[str, Any]
) -> ValidationResult:
    prompt = f"{_HEAD}\n\n{shown}\n\nRequirement: {requirement.description}\n\n{_JSON}"
    thunk, seconds = await ask(prompt, backend, options, OutputSchema("verdict", _VERDICT))
    met, reason = _verdict(thunk, lambda value: value, requirement)
    return ValidationResult(met, reason=reason, thunk=thunk, usage=thunk.generation.usage, seconds=seconds)


async def _together(
    requirements: Sequence[Requirement], backend: Backend, shown: str, options: Mapping[str, Any]
) -> list[ValidationResult]:
    """Ask about all requirements in one request; what it spent is counted on the first verdict."""
    names = [f"requirement_{number}" for number in range(1, len(requirements) + 1)]
    wanted = "\n".join(
        f"{name}: {requirement.description}" for name, requirement in zip(names, requirements, strict=True)
    )
    schema = {
        "type": "object",
        "properties": dict.fromkeys(names, _VERDICT),
        "required": names,
        "additionalProperties": False,
    }
    prompt = f"{_HEAD}\n\n{shown}\n\nRequirements:\n{wanted}\n\nFor each requirement: {_JSON}"
    thunk, seconds = await ask(
        prompt, backend, options, OutputSchema("verdicts", schema), verdicts=len(names)
    )
    results = []
    for index, (name, requirement) in enumerate(zip(names, requirements, strict=True)):
        met, reason = _verdict(thunk, lambda value, key=name: value[key], requirement)
        spent = (thunk.generation.usage, seconds) if index == 0 else (None, 0.0)
        results.append(ValidationResult(met, reason=reason, thunk=thunk, usage=spent[0], seconds=spent[1]))
    return results


def _verdict(thunk: ModelOutputThunk[Any], pick: Any, requirement: Requirement) -> tuple[bool, str]:
    """Return the verdict and the reason; an answer that cannot be read is a no that says so."""
    try:
        entry = pick(thunk.parsed)
        return bool(entry["met"]), str(entry["reason"]) or str(requirement.description)
    except (OutputParseError, KeyError, TypeError):
        return False, f"The judge's answer cannot be read: {json.dumps(str(thunk)[:120])}"
