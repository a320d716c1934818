"""What a program gives, as an answer in the shape of chat completions."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen

from mellea.core.budget import Budget, Spending
from mellea.core.errors import OutputParseError, RefusalError
from mellea.core.message import Message
from mellea.core.response import Usage
from mellea.core.sampling import SamplingResult
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import openai_call
from mellea.serve.verdicts import verdicts_of

__all__ = ["Answer", "Envelope", "Tally", "answer_of", "as_json", "as_text", "fitting_text"]

_ENDS = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}


@frozen
class Answer:
    """A finished answer.

    Args:
        text: What is said.
        thinking: The reasoning, where the model shows it.
        tool_calls: What the client is to carry out, in OpenAI's shape.
        finish_reason: Why it ended.
        refusal: The words with which the model, or its provider, refuses; None where it does not.
        verdicts: What became of the requirements; None where none was checked.
    """

    text: str = ""
    thinking: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = "stop"
    refusal: str | None = None
    verdicts: Mapping[str, Any] | None = None

    @property
    def message(self) -> dict[str, Any]:
        """The message of a whole answer."""
        text = None if self.refusal is not None or (self.tool_calls and not self.text) else self.text
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": self.refusal}
        if self.thinking:
            message["reasoning_content"] = self.thinking
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        return message

    @property
    def rest(self) -> dict[str, Any]:
        """What a stream still has to say when the text is out."""
        delta: dict[str, Any] = {"reasoning_content": self.thinking} if self.thinking else {}
        if self.refusal is not None:
            delta["refusal"] = self.refusal
        if self.tool_calls:
            delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(self.tool_calls)]
        return delta


async def answer_of(value: Any, schema: OutputSchema | None = None) -> Answer:
    """Return what a program gave as an answer, waiting for an output that is still on its way.

    Args:
        value: An output, a ``SamplingResult``, a message, a text, or any other value, which is told as JSON.
        schema: What the answer has to look like.

    Raises:
        OutputParseError: It does not.
        MelleaError: The generation failed.
    """
    sampling = value if isinstance(value, SamplingResult) else getattr(value, "sampling", None)
    output = value.result if isinstance(value, SamplingResult) else value
    verdicts = verdicts_of(sampling)
    try:
        if isinstance(output, ModelOutputThunk):
            await output.avalue()
            verdicts = verdicts or verdicts_of(output.sampling)
    except RefusalError as error:
        said = error.text or "The model's provider refuses to answer."
        return Answer(finish_reason="content_filter", refusal=said)
    answer = _told(output, verdicts)
    if schema is not None and not answer.tool_calls and answer.finish_reason == "stop":
        schema.parse(answer.text)
    return answer


def _told(output: Any, verdicts: Mapping[str, Any] | None) -> Answer:
    if isinstance(output, ModelOutputThunk):
        calls = tuple(openai_call(call, make_id=True) for call in output.asked_calls)
        ends = output.generation.finish_reasons or ()
        reason = "tool_calls" if calls else _ENDS.get(ends[-1], "stop") if ends else "stop"
        return Answer(output.value or "", output.thinking, calls, reason, verdicts=verdicts)
    if isinstance(output, Message):
        calls = tuple(
            call if isinstance(call, Mapping) else openai_call(call, make_id=True)
            for call in output.tool_calls or ()
        )
        reason = "tool_calls" if calls else "stop"
        return Answer(output.content, output.thinking, calls, reason, verdicts=verdicts)
    text = getattr(output, "value", None)
    return Answer(text if isinstance(text, str) else as_text(output), verdicts=verdicts)


def as_json(value: Any) -> str:
    """Return a value as JSON text."""
    from pydantic_core import to_json  # noqa: PLC0415  it is there with pydantic

    def plain(other: Any) -> Any:
        return attrs.asdict(other, recurse=False) if attrs.has(type(other)) else str(other)

    return to_json(value, fallback=plain, inf_nan_mode="null").decode()


def as_text(value: Any) -> str:
    """Return a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else as_json(value)


def fitting_text(value: Any, schema: OutputSchema) -> str:
    """Return a value as JSON that fits a schema: as it is, or as the ``result`` of an object.

    Raises:
        OutputParseError: Neither fits.
    """
    text = as_json(value)
    try:
        schema.parse(text)
    except OutputParseError:
        text = json.dumps({"result": json.loads(text)})
        schema.parse(text)
    return text


class Tally(Spending):
    """Counts the tokens of every generation of a request: attempts, repairs and judges."""

    def __init__(self) -> None:
        super().__init__(Budget())
        self.usages: list[Usage] = []

    def pay(self, usage: Usage | None) -> None:
        """Count a generation."""
        if usage is not None:
            self.usages.append(usage)
        super().pay(usage)

    @property
    def usage(self) -> dict[str, Any] | None:
        """The tokens in OpenAI's shape; None where nobody counted any."""
        if not self.usages:
            return None
        read, written, cached, reasoned = (
            sum(getattr(one, name) for one in self.usages)
            for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
        )
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoned},
        }


@frozen
class Envelope:
    """What stands around an answer, or around each piece of one.

    Args:
        model: What answers, by the name that the client gave, or else its own.
    """

    model: str
    id: str = field(factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(factory=lambda: int(time.time()))

    def whole(self, answer: Answer, usage: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return a whole answer."""
        choice = {
            "index": 0,
            "message": answer.message,
            "finish_reason": answer.finish_reason,
            "logprobs": None,
        }
        told = {**self._head("chat.completion"), "choices": [choice], "usage": usage}
        return told if answer.verdicts is None else {**told, "mellea": answer.verdicts}

    def piece(
        self, delta: Mapping[str, Any], finish_reason: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return a piece of a stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **more}

    def usage(self, usage: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the piece that tells the tokens."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}
