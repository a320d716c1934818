"""Generations as the handlers of hooks see them: each begins once, and ends once, whatever happens."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve

from mellea.core.generate_config import GenerateConfig
from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import current_scope, fire_in
from mellea.core.response import Chunk, Usage, as_usage, total_usage

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.model_api import ModelAPI
    from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["BatchCall", "EmbeddingCall", "GenerationCall", "beginning", "begun_here", "note_request"]

_Call: TypeAlias = "GenerationCall | BatchCall"
beginning: ContextVar[_Call | None] = ContextVar("mellea_beginning_generation", default=None)
"""The call that a backend is being asked for. What sends its request takes it over."""


def begun_here() -> GenerationCall | None:
    """Take over the generation that is beginning; None where nobody was told of one."""
    call = beginning.get()
    if not isinstance(call, GenerationCall):
        return None
    beginning.set(None)
    call.taken = True
    return call


def note_request(request: CompletionRequest) -> None:
    """Note what is sent for the batch that is beginning."""
    call = beginning.get()
    if isinstance(call, BatchCall):
        beginning.set(None)
        call.request = request


class GenerationCall:
    """One answer of a backend.

    Args:
        backend: What is asked.
        action: What it is asked.
        context: The conversation that led here.
        sample_index: Which of several answers that are drawn in one request.
        samples: How many those are.
    """

    def __init__(
        self, backend: ModelAPI, action: Span, context: Context, sample_index: int = 0, samples: int = 1
    ) -> None:
        self.generation_id = uuid.uuid4().hex
        self.taken = False
        """Whether what sends the request tells how it ends."""
        self.request: ChatRequest | None = None
        self._over = False
        self._scope = current_scope()
        self._started = time.perf_counter()
        self._known = {
            "generation_id": self.generation_id,
            "action": action,
            "context": context,
            "model": backend.model_id,
            "provider": backend.provider,
            "backend": backend,
            "sample_index": sample_index,
            "samples": samples,
        }

    async def begin(self, config: GenerateConfig) -> GenerateConfig:
        """Say that a backend is about to be asked, and return how it is to be."""
        changed = await fire_in(
            self._scope,
            "generation_pre_call",
            model_options=config.options,
            format=config.format,
            tool_calls=config.tool_calls,
            **self._known,
        )
        return _changed(config, changed)

    async def ended(self, output: ModelOutputThunk[Any]) -> None:
        """Say that the answer is there.

        Raises:
            PluginViolationError: A handler does not let it through.
            HookFailedError: A handler that decides on it has failed.
        """
        self._over = True
        if not self._scope.listens("generation_post_call"):
            return
        request = self.request
        sent = output.sent if request is None else request
        prompt = sent and [{"role": one.role, "content": one.content} for one in sent.messages]
        await fire_in(
            self._scope,
            "generation_post_call",
            prompt=prompt,
            model_output=output,
            latency_ms=self._latency_ms,
            request=request,
            **self._known,
        )

    async def failed(self, error: BaseException, output: ModelOutputThunk[Any] | None = None) -> None:
        """Say that there is no answer, unless an end was told already. What handlers raise is logged."""
        if self._over:
            return
        self._over = True
        await to_the_end(
            fire_in(
                self._scope,
                "generation_error",
                exception=error,
                model_output=output,
                latency_ms=self._latency_ms,
                request=self.request,
                **self._known,
            ),
            self._scope.session_id,
        )

    def teller(self) -> Callable[[Chunk], Awaitable[object]] | None:
        """Return what tells of each chunk; None where nobody wants to know."""
        if not self._scope.listens("generation_event"):
            return None

        def tell(chunk: Chunk) -> Awaitable[object]:
            return fire_in(
                self._scope,
                "generation_event",
                generation_id=self.generation_id,
                event_name="chunk",
                model=self._known["model"],
                provider=self._known["provider"],
                data={
                    "text": chunk.text,
                    "thinking": chunk.thinking,
                    "index": chunk.index,
                    "chunk": chunk,
                },
            )

        return tell

    @property
    def _latency_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000


class BatchCall:
    """The completion of several plain texts.

    Args:
        backend: What is asked.
        actions: What is completed.
    """

    def __init__(self, backend: ModelAPI, actions: Sequence[Span]) -> None:
        self.request: CompletionRequest | None = None
        self._scope = current_scope()
        self._started = time.perf_counter()
        self.generation_id = uuid.uuid4().hex
        self._known: dict[str, Any] = {
            "generation_id": self.generation_id,
            "actions": actions,
            "model": backend.model_id,
            "provider": backend.provider,
            "backend": backend,
        }

    async def begin(self, config: GenerateConfig) -> GenerateConfig:
        """Say that a backend is about to be asked, and return how it is to be."""
        changed = await fire_in(
            self._scope,
            "generation_batch_pre_call",
            num_actions=len(self._known["actions"]),
            model_options=config.options,
            format=config.format,
            tool_calls=config.tool_calls,
            **self._known,
        )
        return _changed(config, changed)

    async def ended(self, outputs: Sequence[ModelOutputThunk[Any]]) -> None:
        """Say that the outputs are there."""
        await fire_in(
            self._scope,
            "generation_batch_post_call",
            model_outputs=outputs,
            usage=total_usage([as_usage(output.generation.usage) for output in outputs]),
            latency_ms=(time.perf_counter() - self._started) * 1000,
            request=self.request,
            **self._known,
        )

    async def failed(self, error: BaseException) -> None:
        """Say that there are none. What handlers raise is logged."""
        await to_the_end(
            fire_in(
                self._scope,
                "generation_batch_error",
                exception=error,
                latency_ms=(time.perf_counter() - self._started) * 1000,
                request=self.request,
                **self._known,
            ),
            self._scope.session_id,
        )


def _changed(config: GenerateConfig, changed: Any) -> GenerateConfig:
    """Return how an output is to be generated, with what handlers have changed."""
    names = {"model_options": "options", "format": "format", "tool_calls": "tool_calls"}
    return evolve(config, **{names[name]: value for name, value in changed.items()}) if changed else config


class EmbeddingCall:
    """A request for vectors of texts, which is told once it has ended, as an event ``embeddings``.

    Args:
        backend: What is asked.
        request: What it is asked.
    """

    def __init__(self, backend: ModelAPI, request: EmbeddingRequest) -> None:
        self._scope = current_scope()
        self._started = time.perf_counter()
        self._known: dict[str, Any] = {
            "generation_id": uuid.uuid4().hex,
            "event_name": "embeddings",
            "model": backend.model_id,
            "provider": backend.provider,
        }
        self._data = {"backend": backend, "request": request}

    async def ended(self, usage: Usage | None, error: BaseException | None = None) -> None:
        """Say that the vectors are there, or why they are not."""
        seconds = time.perf_counter() - self._started
        data = {**self._data, "usage": usage, "exception": error, "seconds": seconds}
        await fire_in(self._scope, "generation_event", data=data, **self._known)

    async def failed(self, error: BaseException) -> None:
        """Say that there are none. What handlers raise is logged."""
        await to_the_end(self.ended(None, error), self._scope.session_id)
