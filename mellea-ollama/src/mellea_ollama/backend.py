"""The backend for models of an Ollama server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from ollama import ChatResponse, GenerateResponse

from mellea.core.backend import Backend
from mellea.core.blocks import ImageUrlBlock
from mellea.core.capabilities import Capability, SchemaDialect
from mellea.core.errors import CapabilityError, MelleaError, ServerError, UsageError, stream_interrupted
from mellea.core.event_loop import LoopLocal, gather_or_cancel
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.options import ModelOption, OptionTable
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.response import Chunk, Completion, Usage
from mellea.core.schema import OutputSchema
from mellea_ollama.client import BACKEND, WireClient, http_settings, translate
from mellea_ollama.plugin import MANIFEST
from mellea_ollama.server import ensure_model, name_of, resolve_host

__all__ = ["OllamaModelBackend"]

DEFAULT_MODEL_ID = "granite4.1:3b"
EMPTY_ATTEMPTS = 3
EMPTY_PAUSE = 0.2
_TOP_LEVEL = frozenset({"think", "keep_alive", "format", "truncate", "shift", "logprobs", "top_logprobs"})
"""Native options that stand beside ``options`` in a request."""
Part = TypeVar("Part", ChatResponse, GenerateResponse)


def _stop(value: str | Sequence[str]) -> Mapping[str, Any]:
    return {"stop": [value] if isinstance(value, str) else list(value)}


class OllamaModelBackend(Backend):
    """Generates with a model of an Ollama server.

    Making one checks the server, and pulls the model if it is missing.

    Args:
        model_id: The model, with or without its tag, or an identifier that has an ``ollama_name``.
        formatter: Turns spans into messages; by default a ``TemplateFormatter`` for the model.
        base_url: The server's address; by default that of ``OLLAMA_HOST``, else ``http://127.0.0.1:11434``.
        model_options: Options of every call, which sessions and calls override.
        timeout: The longest wait between two bytes of an answer, in seconds; None waits for ever.
        keep_alive: How long the model stays loaded after a call: seconds, or text such as ``"10m"``; the
            server's default if None.
        pull: Whether a missing model is pulled.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.

    Raises:
        UsageError: The model id or the address is wrong.
        ProviderConnectionError: No Ollama server answers.
        ModelNotFoundError: The model is missing, and may not or cannot be pulled.
    """

    provider = BACKEND
    capabilities = MANIFEST.capabilities
    schema_dialect = SchemaDialect.LLAMA_CPP
    options = OptionTable(
        names={
            ModelOption.MAX_NEW_TOKENS: "num_predict",
            ModelOption.TEMPERATURE: "temperature",
            ModelOption.SEED: "seed",
            ModelOption.STOP_SEQUENCES: _stop,
            ModelOption.CONTEXT_WINDOW: "num_ctx",
            ModelOption.THINKING: "think",
        },
        spellings={
            "num_predict": ModelOption.MAX_NEW_TOKENS,
            "max_tokens": ModelOption.MAX_NEW_TOKENS,
            "max_completion_tokens": ModelOption.MAX_NEW_TOKENS,
            "max_new_tokens": ModelOption.MAX_NEW_TOKENS,
            "seed": ModelOption.SEED,
            "stop": ModelOption.STOP_SEQUENCES,
            "num_ctx": ModelOption.CONTEXT_WINDOW,
            "think": ModelOption.THINKING,
            "system": ModelOption.SYSTEM_PROMPT,
            "stream": ModelOption.STREAM,
            "tools": ModelOption.TOOLS,
        },
    )

    def __init__(
        self,
        model_id: str | ModelIdentifier = DEFAULT_MODEL_ID,
        formatter: ChatFormatter | None = None,
        base_url: str | None = None,
        model_options: Mapping[str, Any] | None = None,
        timeout: float | None = 300.0,
        *,
        keep_alive: float | str | None = None,
        pull: bool = True,
        strict_options: bool = False,
    ) -> None:
        super().__init__(
            name_of(model_id), formatter, model_options=model_options, strict_options=strict_options
        )
        self.base_url = resolve_host(base_url)
        self._keep_alive = keep_alive
        self._model_can: Sequence[str] | None = None
        self._clients = LoopLocal(
            lambda: WireClient(self.base_url, **http_settings(timeout)), WireClient.close
        )
        ensure_model(self.base_url, self.model_id, timeout=timeout, pull=pull)

    async def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Continue a conversation with ``/api/chat``."""
        messages = [self._message(message) for message in request.messages]
        if any("images" in message for message in messages):
            await self._check_vision()
        body = {**self._body(request.options, request.schema, stream=request.stream), "messages": messages}
        async with aclosing(self._answer(ChatResponse, "/api/chat", body)) as parts:
            async for part in parts:
                said = part.message
                yield Chunk(
                    text=said.content or "",
                    thinking=said.thinking or "",
                    finish_reason=part.done_reason,
                    usage=_usage(part),
                    response_model=part.model,
                    raw=part,
                )

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts with ``/api/generate``, concurrently."""
        if not all(request.prompts):
            raise UsageError(
                "Ollama completes no empty text: it would only load the model.",
                hint="Leave the empty prompt out.",
                backend=BACKEND,
            )
        # Without `think`, a thinking model's server would take what stands between its tags out of the text.
        body = {"think": False, **self._body(request.options, request.schema, stream=False), "raw": True}
        return await gather_or_cancel(
            self._complete_one({**body, "prompt": prompt}) for prompt in request.prompts
        )

    async def _complete_one(self, body: Mapping[str, Any]) -> Completion:
        async with aclosing(self._answer(GenerateResponse, "/api/generate", body)) as parts:
            part = await anext(parts)
            return Completion(part.response or "", part.done_reason, _usage(part))

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of the client or of the HTTP library below it."""
        return translate(error, host=self.base_url, model_id=self.model_id)

    async def aclose(self) -> None:
        """Close the clients."""
        await self._clients.aclose()

    async def _answer(
        self, kind: type[Part], path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[Part, None]:
        """Iterate over the parts of an answer, and see to it that it is one.

        Complete, and not just a loaded model.
        """
        for attempt in range(EMPTY_ATTEMPTS):
            client, last, nothing = await self._clients.get(), None, True
            async with aclosing(client.parts(kind, path, body)) as parts:
                async for part in parts:
                    last, nothing = part, nothing and _is_empty(part)
                    if not nothing:
                        yield part
            if last is None or not last.done:
                raise stream_interrupted(backend=BACKEND, model_id=self.model_id)
            if not nothing:
                return
            # A server that is busy loading the model may answer at once, with nothing.
            await asyncio.sleep(EMPTY_PAUSE * 2**attempt)
        raise ServerError(
            "Ollama loaded the model but generated nothing.",
            hint="Check that the prompt holds more than system messages, then try again.",
            backend=BACKEND,
            model_id=self.model_id,
        )

    def _body(
        self, options: Mapping[str, Any], schema: OutputSchema | None, *, stream: bool
    ) -> dict[str, Any]:
        """Return what every request holds."""
        # By default the server drops the start of a prompt that is too long, without a word; this way it is
        # an error.
        body: dict[str, Any] = {"model": self.model_id, "stream": stream, "truncate": False}
        if self._keep_alive is not None:
            body["keep_alive"] = self._keep_alive
        body.update({key: value for key, value in options.items() if key in _TOP_LEVEL})
        body["options"] = {key: value for key, value in options.items() if key not in _TOP_LEVEL}
        if schema is not None:
            body["format"] = dict(schema.in_dialect(self.schema_dialect).schema)
        return body

    def _message(self, message: Message) -> dict[str, Any]:
        """Return a message in the wire format."""
        wire: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.thinking:
            wire["thinking"] = message.thinking
        if message.images:
            wire["images"] = [self._image(image) for image in message.images]
        return wire

    def _image(self, image: Any) -> str:
        if isinstance(image, ImageUrlBlock):
            raise UsageError(
                f"Ollama does not fetch images, and the prompt holds the address {image}.",
                hint="Load the image and pass it as an ImageBlock.",
                backend=BACKEND,
                model_id=self.model_id,
            )
        data: str = image.base64_data
        return data

    async def _check_vision(self) -> None:
        """Refuse an image for a model that reads text only.

        Servers that do not tell are left to answer themselves.
        """
        if self._model_can is None:
            shown = await (await self._clients.get()).show(self.model_id)
            self._model_can = shown.capabilities or ()
        if self._model_can and "vision" not in self._model_can:
            raise CapabilityError(
                f"Model {self.model_id!r} reads text only, and the prompt holds an image; nothing was sent.",
                hint="Choose a vision model, or leave the image out.",
                missing=Capability.IMAGES.value,
                backend=BACKEND,
                model_id=self.model_id,
            )


def _is_empty(part: ChatResponse | GenerateResponse) -> bool:
    """Tell whether a part carries neither text nor the mark that the model has generated, if only its end."""
    said = (
        (part.message.content, part.message.thinking)
        if isinstance(part, ChatResponse)
        else (part.response, part.thinking)
    )
    return not (any(said) or part.eval_count or part.done_reason == "length")


def _usage(part: ChatResponse | GenerateResponse) -> Usage | None:
    if not part.done:
        return None
    return Usage(part.prompt_eval_count or 0, part.eval_count or 0)
