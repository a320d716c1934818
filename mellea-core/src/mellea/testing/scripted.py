"""A backend that answers from a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from mellea.core.backend import Backend
from mellea.core.capabilities import Capabilities, Capability
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption, OptionTable
from mellea.core.request import ChatRequest, Chunk, Completion, CompletionRequest, Usage

__all__ = ["Answer", "ScriptedBackend"]

Answer: TypeAlias = "str | Exception | Sequence[str | Exception] | Callable[[Any], str]"
"""A text, an error to raise, the pieces of a stream (an error among them cuts it), or a function of the request."""


class ScriptedBackend(Backend):
    """Gives the scripted answers one after the other, and keeps the requests.

    Args:
        answers: What to answer; a call beyond the last one is an error. One text alone answers every call.
        latency: Seconds before each answer.
        capabilities: What to declare.
        model_options: Options of every call.
        strict_options: Whether an option that is not supported is an error.
    """

    provider: ClassVar[str] = "scripted"
    capabilities: Capabilities = frozenset({Capability.STREAMING, Capability.RAW, Capability.SEED})
    options = OptionTable(
        {
            ModelOption.MAX_NEW_TOKENS: "max_new_tokens",
            ModelOption.TEMPERATURE: "temperature",
            ModelOption.SEED: "seed",
            ModelOption.STOP_SEQUENCES: "stop",
        },
        {},
    )

    def __init__(
        self,
        answers: str | Iterable[Answer] = "",
        *,
        latency: float = 0.0,
        capabilities: Iterable[Capability] | None = None,
        model_options: Mapping[str, Any] | None = None,
        strict_options: bool = False,
    ) -> None:
        super().__init__("script", model_options=model_options, strict_options=strict_options)
        self._always = answers if isinstance(answers, str) else None
        self._answers = iter(()) if isinstance(answers, str) else iter(answers)
        self._latency = latency
        if capabilities is not None:
            self.capabilities = frozenset(capabilities)
        self.requests: list[ChatRequest | CompletionRequest] = []
        """Every request so far."""
        self.closed = False
        """Whether ``aclose`` was called."""

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Give the next answer: in its pieces if it has some, else whole."""
        self.requests.append(request)
        answer = self._next()
        if self._latency:
            await asyncio.sleep(self._latency)
        words = 0
        for piece in _pieces(answer, request):
            words += len(piece.split())
            yield Chunk(text=piece)
            await asyncio.sleep(0)
        prompt = sum(len(message.content.split()) for message in request.messages)
        yield Chunk(finish_reason="stop", usage=Usage(prompt, words))

    async def complete(self, request: CompletionRequest) -> list[Completion]:
        """Give the next answer to each prompt."""
        self.requests.append(request)
        return [Completion("".join(_pieces(self._next(), request)), "stop") for _ in request.prompts]

    async def aclose(self) -> None:
        """Note that the backend was closed."""
        self.closed = True

    def _next(self) -> Answer:
        if self._always is not None:
            return self._always
        answer = next(self._answers, None)
        if answer is None:
            raise UsageError(
                f"The script has no answer number {len(self.requests)}.", hint="Give the ScriptedBackend more answers."
            )
        return answer


def _pieces(answer: Answer, request: ChatRequest | CompletionRequest) -> Iterator[str]:
    """Iterate over the pieces of an answer, raising the errors among them."""
    text = answer(request) if callable(answer) else answer
    for piece in [text] if isinstance(text, str | Exception) else text:
        if isinstance(piece, Exception):
            raise piece
        yield piece
