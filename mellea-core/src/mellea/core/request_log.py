"""One line in the standard log for each request, under ``mellea.requests``.

At INFO what it took and how it ended; at DEBUG also the prompts and the answers, without the secrets in them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from mellea.core.model_api import ModelAPI
from mellea.core.redaction import redacted
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Usage

__all__ = ["RequestLog"]

_log = logging.getLogger("mellea.requests")


class RequestLog:
    """Notes a request when it begins and when it fails; who makes it notes the answer.

    Args:
        backend: What is asked.
        request: What it is asked.
    """

    def __init__(
        self, backend: ModelAPI, request: ChatRequest | CompletionRequest | EmbeddingRequest
    ) -> None:
        self._backend, self._request = backend, request
        self.notes_answers = _log.isEnabledFor(logging.INFO)
        """Whether anybody wants to know how the request ends."""

    def __enter__(self) -> Self:
        if _log.isEnabledFor(logging.DEBUG):
            for prompt in _prompts(self._request):
                _log.debug("%s is asked: %s", self._name, redacted(prompt))
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._failed(error)

    def answered(self, texts: Sequence[str], usage: Usage | None, finish_reason: str | None) -> None:
        """Note how a request ended well."""
        tokens = (
            f", {usage.prompt_tokens} tokens read and {usage.completion_tokens} written"
            if usage is not None
            else ""
        )
        ended = f", {finish_reason}" if finish_reason else ""
        _log.info("%s answered in %.2f s%s%s", self._name, self._seconds, tokens, ended)
        if _log.isEnabledFor(logging.DEBUG):
            for text in texts:
                _log.debug("%s says: %s", self._name, redacted(text))

    def _failed(self, error: BaseException) -> None:
        """Note that a request failed. The provider's words may repeat the prompt, and are left out."""
        status = getattr(error, "status", None)
        kind = f"{type(error).__name__}{f' ({status})' if status else ''}"
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            _log.info("%s was cancelled after %.2f s", self._name, self._seconds)
        else:
            _log.info("%s failed after %.2f s: %s", self._name, self._seconds, kind)

    @property
    def _name(self) -> str:
        return f"{self._backend.provider} ({self._backend.model_id})"

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started


def _prompts(request: ChatRequest | CompletionRequest | EmbeddingRequest) -> Sequence[str]:
    if isinstance(request, ChatRequest):
        return [f"{message.role}: {message.content}" for message in request.messages]
    return request.prompts
