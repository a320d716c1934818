"""A provider's stream on its way into LiteLLM, which drops what it does not expect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import isawaitable
from typing import Any

from mellea.core.chat_completions import malformed_response, text_and_thinking
from mellea.core.provider_errors import error_for_status
from mellea.core.provider_words import error_of_answer
from mellea_litellm.wire import Told

__all__ = ["WatchedStream"]


class WatchedStream:
    """The pieces of a stream, which keeps what LiteLLM would lose: refusals, texts in parts, errors.

    Args:
        source: The pieces as LiteLLM takes them.
        told: Takes an error that LiteLLM would lose.
        backend: The backend's name, for errors.
        model_id: The model asked.
    """

    def __init__(self, source: Any, told: Told, *, backend: str, model_id: str) -> None:
        self._source = source
        self._pieces: AsyncIterator[Any] | None = None
        self._where: dict[str, Any] = {"backend": backend, "model_id": model_id}
        self.refusal = ""
        self._told = told

    @classmethod
    def of(cls, answer: Any, told: Told, *, backend: str, model_id: str) -> WatchedStream:
        """Return the stream behind an answer of LiteLLM's; it is watched where it can be from now on."""
        watched = cls(answer.completion_stream, told, backend=backend, model_id=model_id)
        if hasattr(watched._source, "__aiter__"):
            answer.completion_stream = watched
        return watched

    def __aiter__(self) -> WatchedStream:
        return self

    async def __anext__(self) -> Any:
        if self._pieces is None:
            self._pieces = aiter(self._source)
        piece = await anext(self._pieces)
        for choice in getattr(piece, "choices", None) or ():
            self._look_at(choice)
        if self._told.error is not None:
            raise StopAsyncIteration
        return piece

    def _look_at(self, choice: Any) -> None:
        told = {name: getattr(choice, name, None) for name in ("error", "finish_reason")}
        failure = error_of_answer({"choices": [told]})
        if failure is not None:
            self._told.error = error_for_status(None, failure, **self._where)
        delta = getattr(choice, "delta", None)
        refusal, content = getattr(delta, "refusal", None), getattr(delta, "content", None)
        if isinstance(refusal, str):
            self.refusal += refusal
        if content is not None and not isinstance(content, str) and delta is not None:
            try:
                delta.content, thinking = text_and_thinking(content)
            except (AttributeError, TypeError):
                self._told.error = malformed_response(content, **self._where)
                return
            if thinking:
                delta.reasoning_content = thinking

    async def aclose(self) -> None:
        """Close the stream, and the iterator over it, which would be left to the collector."""
        if self._pieces is not None and self._pieces is not self._source:
            await _close(self._pieces)
        await _close(self._source)


async def _close(stream: Any) -> None:
    close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
    closing = close() if close is not None else None
    if isawaitable(closing):
        await closing
