"""Halves of surrogate pairs: characters of Python's texts that no encoding can send.

They come from text that was cut in the middle of a character, or decoded with ``surrogateescape``. In what
the caller says they are refused, with the place; in what a model said before they are mended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve

from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest

__all__ = ["refuse_half_characters", "without_half_characters"]

_HALF = re.compile("[\ud800-\udfff]")
_SHOWN = 20
"""How many characters before a half one are shown."""


def without_half_characters(request: ChatRequest) -> ChatRequest:
    """Return a request as it can be sent: what a model said is mended.

    Raises:
        UsageError: A text of the caller's holds half a character; nothing was sent.
    """
    if not all(message.content.isascii() for message in request.messages):
        request = request.with_messages(map(_mended, request.messages))
        _refuse((f"The {message.role} message", message.content) for message in request.messages)
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
    """Return what a model said so that it can be sent.

    Halves that stand side by side are joined, others replaced by U+FFFD.
    """
    if message.role != "assistant" or _half(message.content) is None:
        return message
    text = message.content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return evolve(message, content=text)
