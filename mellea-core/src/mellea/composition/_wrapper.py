"""A backend in front of others: what every one of them has to hand on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any, TypeVar

from attrs import evolve

from mellea.core._chunk_stream import answer_of, chunks_of, make_ready
from mellea.core.backend import Backend
from mellea.core.billing import note_asked
from mellea.core.capabilities import Capabilities, Capability, SchemaDialect
from mellea.core.errors import MelleaError, UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message
from mellea.core.options import OptionTable, merge_options, translate_options
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse

__all__ = ["Asked", "BackendWrapper"]

Asked = ChatRequest | CompletionRequest | EmbeddingRequest
R = TypeVar("R", ChatRequest, CompletionRequest, EmbeddingRequest)


class BackendWrapper(Backend):
    """Stands in front of backends, which are closed together with it.

    Options keep their common names on the way to it, so that each backend gets them by its own, over its own
    options of every call. A subclass says how requests are answered.

    Args:
        backends: The backends behind it.

    Raises:
        UsageError: There is none, or one is no backend.
    """

    inner_backends: Sequence[Backend] = ()

    def __init__(self, *backends: Backend) -> None:
        if not backends:
            raise UsageError("There is no backend to ask.", hint="Pass one or more backends.")
        for backend in backends:
            if not isinstance(backend, Backend):
                raise UsageError(
                    f"{backend!r} is no backend.",
                    hint='Pass instances, or open it by name: start_session(backend="fallback:ollama,hf").',
                )
        super().__init__(
            ", ".join(dict.fromkeys(backend.model_id for backend in backends)),
            strict_options=all(backend.strict_options for backend in backends),
        )
        self.inner_backends = backends
        bounds = [backend.default_max_new_tokens for backend in backends]
        # Class variables, because hardly any backend has them by instance.
        vars(self).update(
            concurrent=all(backend.concurrent for backend in backends),
            default_max_new_tokens=min(filter(None, bounds), default=None),
            texts_per_embedding=min(backend.texts_per_embedding for backend in backends),
        )
        self._take_over()

    def _take_over(self) -> None:
        """Look at what the backends have, which some only know when they are ready."""
        tables = [backend.options for backend in self.inner_backends]
        self.options = OptionTable(
            {name: name for table in tables for name in table.names},
            {key: name for table in tables for key, name in table.spellings.items()},
            native=None,
        )
        self.capabilities = self._combined([backend.capabilities for backend in self.inner_backends])
        dialects = {backend.schema_dialect for backend in self.inner_backends}
        self.schema_dialect = dialects.pop() if len(dialects) == 1 else SchemaDialect.PLAIN
        self.plain_patterns = self.inner_backends[0].plain_patterns

    def _combined(self, declared: Sequence[Capabilities]) -> Capabilities:
        """Return what the backends can do together: what each of them can."""
        return frozenset.intersection(*declared)

    async def ready(self) -> None:
        """Make all backends ready, side by side."""
        await gather_or_cancel(make_ready(backend) for backend in self.inner_backends)
        self._take_over()

    async def supports(self, capability: Capability) -> bool:
        """Tell whether the backends can do something together."""
        can = await gather_or_cancel(backend.supports(capability) for backend in self.inner_backends)
        told = [frozenset({capability}) if each else frozenset() for each in can]
        self._take_over()
        if capability is Capability.REGEX and len({each.plain_patterns for each in self.inner_backends}) > 1:
            return False  # an answer would be read in the one way or in the other
        return capability in self._combined(told)

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell whether each backend's own protocol can carry out a request with tools."""
        can = [await each.calls_tools(choice, with_schema=with_schema) for each in self.inner_backends]
        return all(can)

    @property
    def formatter(self) -> ChatFormatter:
        """The first backend's."""
        return self.inner_backends[0].formatter

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern, as far as all backends say the same."""
        first, *others = [
            each.draws_for_patterns(temperature, repetition_penalty) for each in self.inner_backends
        ]
        return {name: value for name, value in first.items() if all(name in other for other in others)}

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return the most tokens that one of the backends counts; None if one of them cannot tell."""
        counts = [await backend.count_tokens(messages) for backend in self.inner_backends]
        known = [count for count in counts if count is not None]
        return max(known) if len(known) == len(counts) else None

    async def whole_words(self, words: Collection[str]) -> Collection[str] | None:
        """Return what the only backend says; the tokenizers of several cannot be asked for one answer."""
        return await self.inner_backends[0].whole_words(words) if len(self.inner_backends) == 1 else None

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of a library of the backends'."""
        return next(
            (ours for each in self.inner_backends if (ours := each.translate_error(error)) is not None), None
        )

    def passed_on(self, backend: Backend, request: R) -> R:
        """Return a request as one of the backends takes it, which is asked now."""
        note_asked(backend)
        asked = evolve(request, model_id=backend.model_id)
        if isinstance(asked, EmbeddingRequest):
            return asked
        options = translate_options(
            merge_options(backend.options.canonical(backend.model_options), asked.options),
            backend.options,
            backend=backend.provider,
            strict=backend.strict_options,
            reported=backend.reported_options(),
        )
        if isinstance(asked, CompletionRequest):
            return evolve(asked, options=options)
        streams = asked.stream and Capability.STREAMING in backend.capabilities
        return evolve(asked, options=options, stream=streams)

    def chunks_of(
        self, backend: Backend, request: ChatRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Ask one of the backends, again where that may help, and close its stream with the block."""
        asked = self.passed_on(backend, request)
        return aclosing(chunks_of(backend, lambda: backend.stream_chat(asked)))

    async def completions_of(self, backend: Backend, request: CompletionRequest) -> Sequence[Completion]:
        """Return the completions of one of the backends, asked again where that may help."""
        asked = self.passed_on(backend, request)
        return await answer_of(backend, lambda: backend.complete(asked))

    async def vectors_of(self, backend: Backend, request: EmbeddingRequest) -> EmbeddingResponse:
        """Return the vectors of one of the backends, asked again where that may help."""
        asked = self.passed_on(backend, request)
        return await answer_of(backend, lambda: backend.embed_texts(asked))

    async def aclose(self) -> None:
        """Close the backends, each though another fails to close."""
        async with AsyncExitStack() as closing:
            for backend in self.inner_backends:
                closing.push_async_callback(backend.aclose)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.inner_backends))})"
