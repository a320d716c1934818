"""Streams whose tokens LiteLLM would count by itself.

At the end of a stream it counts the tokens of what the provider has not counted, on the event loop, with a
tokenizer that takes seconds for a long text. Whoever stops before the end is spared that; LiteLLM's callbacks
then do not hear of the call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from mellea.core import ChatRequest, Chunk, Usage
from mellea.core.chat_completions import usage_from

__all__ = ["LengthOfStream"]

LONGEST_COUNTED = 200_000
"""Characters that LiteLLM may count."""


class LengthOfStream:
    """How much LiteLLM would count at the end of a stream.

    Args:
        request: What is asked.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._prompt = sum(len(message.content) for message in request.messages)
        self._text = self._thinking = 0
        self.told: Usage | None = None
        """The tokens spent, as far as the provider has told them; read with ``is_too_long``."""

    def add(self, chunk: Chunk) -> None:
        """Take a piece of the answer into account."""
        self._text += len(chunk.text)
        self._thinking += len(chunk.thinking)

    async def is_too_long(self, stream: Any) -> bool:
        """Tell, once the answer is complete, whether to stop before the end; reads what still comes.

        Args:
            stream: LiteLLM's stream.
        """
        if self._prompt + self._text + self._thinking <= LONGEST_COUNTED:
            return False
        rest = [piece async for piece in stream.completion_stream]
        self.told = _usage_in([*stream.chunks, *rest])
        stream.completion_stream = _again(rest)
        told = self.told or Usage()
        counted = self._thinking
        counted += 0 if told.completion_tokens else self._text
        counted += 0 if told.prompt_tokens else self._prompt
        return counted > LONGEST_COUNTED


async def _again(pieces: Iterable[Any]) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


def _usage_in(pieces: Iterable[Any]) -> Usage | None:
    """Return the last usage that pieces of a stream tell."""
    told = None
    for piece in pieces:
        said: Any = piece.get("usage") if isinstance(piece, Mapping) else getattr(piece, "usage", None)
        told = usage_from(said.model_dump() if hasattr(said, "model_dump") else said) or told
    return told
