"""Several backends, of which each request goes to the one that suits it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import ClassVar, TypeAlias

from mellea.composition._wrapper import Asked, BackendWrapper
from mellea.core.backend import Backend
from mellea.core.capabilities import Capabilities, Capability
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse

__all__ = ["Choice", "RouterBackend", "router"]

Choice: TypeAlias = "Callable[[Asked], Backend | Awaitable[Backend]]"
"""Returns the backend for a request, which is one of the router's."""


class RouterBackend(BackendWrapper):
    """Sends each request to the backend that suits it. See ``router``."""

    provider: ClassVar[str] = "router"

    def __init__(self, *backends: Backend, choose: Choice | None = None) -> None:
        super().__init__(*backends)
        self._choose = choose or self._able

    def _combined(self, declared: Sequence[Capabilities]) -> Capabilities:
        """Return what the backends can do together: what any of them can."""
        return frozenset.union(*declared)

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the chunks of the backend that suits the request."""
        async with self.chunks_of(await self._chosen(request), request) as chunks:
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Return the completions of the backend that suits the request."""
        return await self.completions_of(await self._chosen(request), request)

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Return the vectors of the backend that suits the request."""
        return await self.vectors_of(await self._chosen(request), request)

    async def _chosen(self, request: Asked) -> Backend:
        found = self._choose(request)
        chosen = await found if inspect.isawaitable(found) else found
        if chosen not in self.inner_backends:
            raise UsageError(
                f"The router chose {chosen!r}, which is none of its backends.",
                hint="Let choose(request) return one of the backends that the router was made of.",
                backend=self.provider,
            )
        return chosen

    def _able(self, request: Asked) -> Backend:
        """Return the first backend that can do all that a request needs, or else most of it."""
        needed = _needed(request)
        return min(self.inner_backends, key=lambda backend: len(needed - backend.capabilities))


def _needed(request: Asked) -> Capabilities:
    """Return what a backend has to be able to do to answer a request in full."""
    if isinstance(request, EmbeddingRequest):
        return frozenset({Capability.EMBEDDINGS})
    needed = {Capability.JSON_SCHEMA} if request.schema is not None else set()
    if request.schema is not None and request.schema.plain_pattern is not None:
        needed = {Capability.REGEX}
    asked = {
        Capability.LOGPROBS: request.options.get(ModelOption.LOGPROBS),
        Capability.LOGITS: any(map(request.options.get, (ModelOption.LOGITS, ModelOption.RAW_LOGITS))),
        Capability.THINKING: request.options.get(ModelOption.THINKING),
        Capability.SEED: request.options.get(ModelOption.SEED) is not None,
    }
    if isinstance(request, CompletionRequest):
        asked[Capability.RAW] = True
    else:
        asked |= {
            Capability.IMAGES: any(message.images for message in request.messages),
            Capability.AUDIO: any(message.audio for message in request.messages),
            Capability.TOOLS: request.tools,
            Capability.N_SAMPLES: request.n > 1,
        }
    return frozenset(needed | {capability for capability, value in asked.items() if value})


def router(*backends: Backend, choose: Choice | None = None) -> RouterBackend:
    """Return a backend that sends each request to the one that suits it.

    It can do what any of them can. By default a request goes to the first backend that can do all it needs:
    images, sound, a schema, a pattern, tools, several samples, log-probabilities, reasoning, a seed, plain
    completion, embeddings. By name: ``start_session(backend="router:hf,openai")``.

    Args:
        backends: The backends, the preferred first.
        choose: Returns the backend for a request (``ChatRequest``, ``CompletionRequest`` or
            ``EmbeddingRequest``, with options under their common names); may be asynchronous.

    Raises:
        UsageError: There is no backend, or one is none.
    """
    return RouterBackend(*backends, choose=choose)
