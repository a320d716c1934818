"""Halves of surrogate pairs: characters of Python's texts that no encoding can send.

They come from text that was cut in the middle of a character, or decoded with ``surrogateescape``. In what
the caller says they are refused, with the place; in what a model said before, and in what a tool gives, they
are mended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve

from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.tool_call import ModelToolCall

__all__ = ["refuse_half_characters", "whole_text", "without_half_characters"]

_HALF = re.compile("[\ud800-\udfff]")
_SHOWN = 20
"""How many characters before a half one are shown."""


def without_half_characters(request: ChatRequest) -> ChatRequest:
    """Return a request as it can be sent: what a model said is mended.

    Raises:
        UsageError: A text of the caller's holds half a character; nothing was sent.
    """
    if not all(
        message.content.isascii() and not (message.tool_calls or message.tool_name)
        for message in request.messages
    ):
        request = request.with_messages(map(_mended, request.messages))
        _refuse((f"The {message.role} message", message.content) for message in request.messages)
    if request.options or request.schema is not None:
        _refuse(_texts_beside(request))
    return request


def refuse_half_characters(request: CompletionRequest | EmbeddingRequest) -> None:
    """Look through what the caller says in a request.

    Raises:
        UsageError: A text of the caller's holds half a character; nothing was sent.
    """
    what = "Text" if isinstance(request, EmbeddingRequest) else "Prompt"
    _refuse((f"{what} {number}", prompt) for number, prompt in enumerate(request.prompts, start=1))
    if isinstance(request, CompletionRequest):
        _refuse(_texts_beside(request))


def _refuse(texts: Iterable[tuple[str, str]]) -> None:
    for where, text in texts:
        if (found := _half(text)) is not None:
            raise UsageError(
                f"{where} holds half a character ({ascii(text[found])[1:-1]}) at position {found}, after "
                f"{text[max(0, found - _SHOWN) : found]!r}; nothing was sent.",
                hint="It was cut within a character, or is no text. To replace what cannot be read: "
                'text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").',
            )


def _half(text: str) -> int | None:
    """Return the place of the first half character, or None."""
    if text.isascii():
        return None
    found = _HALF.search(text)
    return found.start() if found else None


def _texts_beside(request: ChatRequest | CompletionRequest) -> Iterator[tuple[str, str]]:
    """Iterate over the texts of a request beside its words, each with what it is."""
    for name, value in request.options.items():
        yield from ((f"The option {name!r}", text) for text in _within(value))
    if request.schema is not None:
        yield from (("The schema", text) for text in _within(request.schema.json_schema))


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _within(name)
            yield from _within(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _within(item)


def _mended(message: Message) -> Message:
    """Return what a model said, what it called, and under which name, so that it can be sent."""
    if message.role == "tool" and message.tool_name and _half(message.tool_name) is not None:
        return evolve(message, tool_name=whole_text(message.tool_name))
    if message.role != "assistant":
        return message
    if message.tool_calls and any(_half(text) is not None for text in _within_calls(message.tool_calls)):
        message = evolve(message, tool_calls=[_mended_call(call) for call in message.tool_calls])
    text = whole_text(message.content)
    return message if text is message.content else evolve(message, content=text)


def whole_text(text: str) -> str:
    """Return a text that can be sent: halves side by side are joined, others replaced by U+FFFD."""
    if _half(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _within_calls(calls: Iterable[ModelToolCall | Mapping[str, Any]]) -> Iterator[str]:
    for call in calls:
        yield from _within(call if isinstance(call, Mapping) else (call.name, call.args))


def _mended_call(call: ModelToolCall | Mapping[str, Any]) -> ModelToolCall | Mapping[str, Any]:
    if isinstance(call, Mapping):
        return dict(_mended_values(call))
    return evolve(call, name=whole_text(call.name), args=_mended_values(call.args))


def _mended_values(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, Mapping):
        return {_mended_values(name): _mended_values(item) for name, item in value.items()}
    return [_mended_values(item) for item in value] if isinstance(value, list | tuple) else value
