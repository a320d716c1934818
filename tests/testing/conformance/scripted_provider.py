"""The scripted backend, its provider for the kit, and the model that it stands for when it is live."""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from mellea.core import Capability, ChatRequest, Chunk, CompletionRequest
from mellea.core.errors import RefusalError, StreamInterruptedError
from mellea.core.logprobs import TokenLogprob
from mellea.core.provider_errors import error_for_status
from mellea.core.response import Usage
from mellea.plugins import BackendManifest, hookimpl
from mellea.testing import Reply, ScriptedBackend
from mellea.testing.conformance import Answer, Provider
from mellea.testing.instances import minimal_instance

AT = {"backend": "scripted", "model_id": "script"}
CAPABILITIES = frozenset(
    {
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.REGEX,
        Capability.RAW,
        Capability.SEED,
        Capability.N_SAMPLES,
        Capability.IMAGES,
        Capability.THINKING,
        Capability.TOOLS,
        Capability.LOGPROBS,
        Capability.TOKEN_COUNT,
        Capability.BATCH,
    }
)


class ScriptedProvider(Provider):
    """Plays answers to a ``RightBackend``."""

    plays = frozenset(
        {
            "cut",
            "key",
            "options",
            "raw",
            "refusal",
            "samples",
            "short",
            "status",
            "thinking",
            "tools",
            "usage",
        }
    )

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"provider": self, "api_key": self.key}

    def reply(self, request: Any) -> list[Reply]:
        """Return the replies to a request."""
        answer = self.answer_to(said_in(request))
        if isinstance(request, CompletionRequest):
            return [_reply(answer, f"{answer.text}{prompt}") for prompt in request.prompts]
        texts = [None, *answer.others][: request.n]
        return [_reply(answer, text) for text in texts]


def said_in(request: Any) -> str:
    if isinstance(request, CompletionRequest):
        return json.dumps([request.prompts, dict(request.options)])
    shown = [[each.role, each.content] for each in request.messages]
    schema = request.schema and dict(request.schema.json_schema)
    images = [image.value for each in request.messages for image in each.images or ()]
    names = [tool.name for tool in request.tools]
    return json.dumps([shown, images, dict(request.options), schema, names], ensure_ascii=False)


def _reply(answer: Answer, text: str | None = None) -> Reply:
    pieces = list(answer.pieces) if text is None else [text]
    told = {"latency": answer.latency, "thinking": answer.thinking, "usage": answer.usage}
    if answer.status != 200:
        error = error_for_status(
            answer.status, {"error": {"message": answer.words}}, retry_after=answer.retry_after, **AT
        )
        return Reply(error=error, **told)
    if answer.refusal:
        return Reply(error=RefusalError(f"It refuses: {answer.refusal}", text=answer.refusal, **AT), **told)
    if answer.ends in ("cut", "short"):
        broken = StreamInterruptedError("The stream broke off.", **AT)
        return Reply(pieces, error=broken, after=len(pieces), **told)
    if answer.ends == "stall":
        return Reply(pieces, stalls=True, after=len(pieces), **told)
    return Reply(
        pieces,
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
        logprobs=answer.logprobs,
        **told,
    )


class Babbler:
    """A model: draws words, and holds to schemas, patterns, stops and limits."""

    def reply(self, request: Any) -> list[Reply]:
        if isinstance(request, CompletionRequest):
            return [self.answer(request, prompt, 0, tokens_of(prompt)) for prompt in request.prompts]
        read = sum(tokens_of(message.content) for message in request.messages)
        return [self.answer(request, request.messages[-1].content, place, read) for place in range(request.n)]

    def answer(self, request: Any, prompt: str, place: int, read: int) -> Reply:
        options = request.options
        if getattr(request, "tools", ()):
            return Reply("", tool_calls=[("weather", {"city": "Rome"})], finish_reason="tool_calls")
        text, ended = self.words(prompt, place, options), "length"
        if request.schema is not None:
            schema = request.schema.json_schema
            text, ended = json.dumps("red 123" if "pattern" in schema else minimal_instance(schema)), "stop"
        for stop in options.get("stop", ()):
            if stop in text:
                text, ended = text.partition(stop)[0], "stop"
        pieces = re.findall(r"\S+\s*|\s+", text) or [""]
        said = tuple(_logprob(piece) for piece in pieces) if options.get("logprobs") else ()
        return Reply(pieces, finish_reason=ended, usage=Usage(read, len(pieces)), logprobs=said)

    def words(self, prompt: str, place: int, options: Mapping[str, Any]) -> str:
        seed = options.get("seed")
        if seed is None and not options.get("temperature", 1):
            seed = "greedy"
        draws = random.Random(None if seed is None else f"{prompt} {seed} {place}")
        count = options.get("max_new_tokens", 9)
        return "".join(f"{draws.choice('bdfgklm')}{draws.choice('aeiou')} " for _ in range(count))


def _logprob(token: str) -> TokenLogprob:
    return TokenLogprob(token, -0.5, alternatives=(TokenLogprob(token, -0.5), TokenLogprob("zu", -2.0)))


def tokens_of(text: str) -> int:
    return len(text.split())


class RightBackend(ScriptedBackend):
    """Does everything right."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        provider: Any = None,
        *,
        api_key: str = "",
        strict_options: bool = False,
        model_options: Any = None,
    ):
        super().__init__("", strict_options=strict_options, model_options=model_options)
        self._provider = provider or Babbler()
        self.api_key = api_key
        self.is_live = provider is None

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        try:
            async with aclosing(super().stream_chat(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.leave()

    def leave(self) -> None:
        """Tell the provider that nobody waits for it."""
        if isinstance(self._provider, Provider):
            self._provider.left.set()

    async def count_tokens(self, messages: Any) -> int:
        return sum(tokens_of(message.content) for message in messages)

    def _next(self, request: Any) -> list[Reply]:
        return self._provider.reply(request)


def manifest_of(made: Any, **more: Any) -> Any:
    """Return a plugin that registers a class, or what makes a backend, as the backend ``scripted``."""

    class Plugin:
        @hookimpl
        def mellea_register_backends(self, register: Any) -> None:
            factory = f"{made.__module__}:{made.__qualname__}"
            capabilities = more["capabilities"] if more else made.capabilities
            register(
                BackendManifest(
                    name="scripted", summary="Scripted.", factory=factory, capabilities=capabilities
                )
            )

    return Plugin()
