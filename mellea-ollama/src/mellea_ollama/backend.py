"""The backend for models of an Ollama server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from mellea.core.adapter import refuse_embedded_adapters
from mellea.core.backend import Backend
from mellea.core.blocks import ImageBlock
from mellea.core.capabilities import Capability, SchemaDialect
from mellea.core.errors import (
    CapabilityError,
    MelleaError,
    RepetitionError,
    ServerError,
    UsageError,
    stream_interrupted,
)
from mellea.core.event_loop import LoopLocal, run_sync
from mellea.core.formatter import ChatFormatter
from mellea.core.inlining import inlined
from mellea.core.message import Message, merge_provider_fields
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.options import ModelOption
from mellea.core.price import FREE
from mellea.core.prompt_batches import PromptBatches
from mellea.core.reasoning import replays_reasoning
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse
from mellea.core.schema import OutputSchema
from mellea.core.time_limits import seconds_left
from mellea.core.tool_call import ModelToolCall, call_fields
from mellea.core.tool_offer import AUTO, NONE
from mellea_ollama.address import BACKEND, Access
from mellea_ollama.answers import Part, calls_in, chunk_of, completion_of, embeddings_of, text_of
from mellea_ollama.client import WireClient, translate
from mellea_ollama.options import TABLE, TOP_LEVEL
from mellea_ollama.plugin import MANIFEST
from mellea_ollama.server import ensure_model, name_of

__all__ = ["OllamaModelBackend"]

DEFAULT_MODEL_ID = "granite4.1:3b"
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Between two requests to a busy server, in seconds: the pause doubles from the first to the longest."""
_LONGEST_PIECE = 40
"""Characters of the longest piece that is looked for where a model seems to repeat itself."""
_TIMES = 5
"""How often it stands there, at least."""
_BUSY = re.compile(r"busy|pending requests|queue", re.IGNORECASE)


class OllamaModelBackend(Backend):
    """Generates with a model of an Ollama server.

    Making one checks the server, and pulls the model if it is missing.

    Args:
        model_id: The model, with or without its tag, or an identifier that has an ``ollama_name``.
        formatter: Turns spans into messages; by default a ``TemplateFormatter`` for the model.
        base_url: The server's address, with or without ``/v1`` or ``/api`` at the end; by default that of
            ``OLLAMA_HOST``, else ``http://127.0.0.1:11434``. A proxy of the environment is used unless the
            server is on this machine.
        model_options: Options of every call, which sessions and calls override.
        timeout: The longest wait between two bytes of an answer, in seconds; None waits for ever.
        keep_alive: How long the model stays loaded after a call: seconds, or text such as ``"10m"``; the
            server's default if None.
        pull: Whether a missing model is pulled.
        api_key: The key of a server behind a gateway, or of Ollama's own; by default ``OLLAMA_API_KEY``.
        headers: Headers of every request, for whatever stands before the server.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.
        max_retries: How often a request is sent again after a failure that may pass; 2 for None. A server
            whose queue is full is asked again for as long as the time-outs allow.
        adapter_models: Refused: adapters are in no release yet.
        adapter_base_model_name: Refused: adapters are in no release yet.
        default_to_constraint_checking_alora: Kept for programs that pass it.

    Raises:
        UsageError: The model id or the address is wrong.
        ProviderConnectionError: No Ollama server answers.
        ModelNotFoundError: The model is missing, and may not or cannot be pulled.
    """

    provider = BACKEND
    capabilities = MANIFEST.capabilities
    schema_dialect = SchemaDialect.LLAMA_CPP
    options = TABLE

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
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        strict_options: bool = False,
        max_retries: int | None = None,
        adapter_models: Mapping[str, str] | None = None,
        adapter_base_model_name: str | None = None,
        default_to_constraint_checking_alora: bool = True,
    ) -> None:
        refuse_embedded_adapters(
            BACKEND, adapter_models=adapter_models, adapter_base_model_name=adapter_base_model_name
        )
        super().__init__(
            name_of(model_id),
            formatter,
            model_options=model_options,
            strict_options=strict_options,
            max_retries=max_retries,
        )
        if not self.model_id.endswith("cloud"):  # those run on Ollama's own machines, for money
            self.price = FREE
        self._access = Access.of(base_url, api_key=api_key, headers=headers, timeout=timeout)
        self.base_url = self._access.url
        self.given_url, self.has_key = base_url, api_key is not None
        self._keep_alive = keep_alive
        self._batches = PromptBatches(together=False)
        self._clients = LoopLocal(lambda: WireClient(self._access, self.model_id), WireClient.close)
        self._model_can = run_sync(ensure_model(self._access, self.model_id, pull=pull)).capabilities

    async def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Continue a conversation with ``/api/chat``."""
        await self._check_abilities(
            thinks=bool(request.options.get("think")),
            shows_image=any(message.images for message in request.messages),
        )
        messages = [self._message(message) for message in await inlined(request.messages)]
        body = {**self._body(request.options, request.schema, stream=request.stream), "messages": messages}
        if request.tools and request.tool_choice != NONE:  # the protocol has no word for a choice
            body["tools"] = [tool.json_form() for tool in request.tools]
        if not request.stream:
            yield chunk_of(await self._whole("/api/chat", body), self.model_id)
            return
        async with aclosing(self._parts("/api/chat", body)) as parts:
            async for part in parts:
                yield chunk_of(part, self.model_id)

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell whether the model knows tools; a call cannot be forced, nor joined with a schema."""
        if choice not in (AUTO, NONE) or with_schema:
            return False
        await self._ask_abilities()
        return "tools" in (self._model_can or ())

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

        async def send(prompts: Sequence[str]) -> Sequence[Completion]:
            part = await self._whole("/api/generate", {**body, "prompt": prompts[0]})
            return [completion_of(part, self.model_id)]

        return await self._batches.complete(self, request.prompts, send)

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Give plain texts a vector each, through ``/api/embed``; a text that is too long is refused."""
        body: dict[str, Any] = {"model": self.model_id, "input": list(request.prompts), "truncate": False}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if self._keep_alive is not None:
            body["keep_alive"] = self._keep_alive
        answer = await (await self._clients.get()).whole("/api/embed", body)
        return embeddings_of(answer, self.model_id)

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern and says nothing else."""
        return {
            ModelOption.TEMPERATURE: temperature,
            "repeat_penalty": repetition_penalty,
            "repeat_last_n": 256,
        }

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of the client or of the HTTP library below it."""
        return translate(error, host=self.base_url, model_id=self.model_id)

    async def aclose(self) -> None:
        """Close the clients."""
        await self._clients.aclose()

    async def _whole(self, path: str, body: Mapping[str, Any]) -> Part:
        """Return a whole answer; see ``_parts``."""
        client, pause = await self._clients.get(), FIRST_PAUSE
        while True:
            try:
                part = await client.whole(path, body)
            except ServerError as error:
                pause = await _wait_for_room(error, pause)
            else:
                break
        text = text_of(part, self.model_id)
        self._check_end(text, done=bool(part.get("done")), nothing=not _says_something(part, text))
        return part

    async def _parts(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Part, None]:
        """Iterate over the parts of an answer, and see to it that it is one.

        Complete, and not just a loaded model: a server that is busy loading it may answer at once, with
        nothing.
        """
        said: list[str] = []
        done, nothing = False, True
        async with aclosing(self._lines(path, body)) as parts:
            async for part in parts:
                text = text_of(part, self.model_id)
                said.append(text)
                done = bool(part.get("done"))
                nothing = nothing and not _says_something(part, text)
                if not nothing:
                    yield part
        self._check_end("".join(said), done=done, nothing=nothing)

    async def _lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Part, None]:
        """Iterate over the parts of an answer as they come. A server with a full queue is asked again."""
        client, pause = await self._clients.get(), FIRST_PAUSE
        while True:
            try:
                async with aclosing(client.lines(path, body)) as parts:
                    async for part in parts:
                        yield part
                return
            except ServerError as error:
                pause = await _wait_for_room(error, pause)

    def _check_end(self, text: str, *, done: bool, nothing: bool) -> None:
        """Raise an error unless an answer came to its end, and said something."""
        if not done:
            raise self._broken_off(text)
        if nothing:
            raise ServerError(
                "Ollama loaded the model but generated nothing.",
                hint="Check that the prompt holds more than system messages, then try again.",
                backend=BACKEND,
                model_id=self.model_id,
            )

    def _broken_off(self, text: str) -> MelleaError:
        """Return the error for an answer that ended without its last line.

        A server that ends, or a connection that breaks, is told before; this is how the server ends the
        answer of a model that repeats itself, and how a gateway may cut one.
        """
        where: dict[str, Any] = {"backend": BACKEND, "model_id": self.model_id}
        if not _repeats_itself(text):
            return stream_interrupted(**where)
        return RepetitionError(
            f"The model {self.model_id!r} repeats itself, and Ollama broke its answer off, as it does "
            "after 30 equal pieces in a row.",
            hint="Ask again with another seed or a higher temperature, or ask for less of the same "
            "in the format.",
            text=text,
            **where,
        )

    def _body(
        self, options: Mapping[str, Any], schema: OutputSchema | None, *, stream: bool
    ) -> dict[str, Any]:
        """Return what every request holds."""
        # Else the server drops the start of a prompt that is too long, and of one that becomes so while it
        # writes, without a word: this way the first is an error, and the second ends with "length".
        body: dict[str, Any] = {"model": self.model_id, "stream": stream, "truncate": False, "shift": False}
        if self._keep_alive is not None:
            body["keep_alive"] = self._keep_alive
        body.update({key: value for key, value in options.items() if key in TOP_LEVEL})
        body["options"] = {key: value for key, value in options.items() if key not in TOP_LEVEL}
        if schema is not None:
            body["format"] = dict(schema.in_dialect(self.schema_dialect).schema)
        return body

    def _message(self, message: Message) -> dict[str, Any]:
        """Return a message in the wire format."""
        wire: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            wire["tool_calls"] = [_wire_call(call) for call in message.tool_calls]
        if replays_reasoning(message):
            wire["thinking"] = message.thinking
        if message.images:
            wire["images"] = [image.base64_data for image in message.images if isinstance(image, ImageBlock)]
        if message.tool_name:
            wire["tool_name"] = message.tool_name
        return merge_provider_fields(wire, message.provider_fields, BACKEND)

    async def _ask_abilities(self) -> None:
        """Ask the server once what the model can do, where it has not told by itself."""
        if self._model_can is None:
            shown = await (await self._clients.get()).whole("/api/show", {"model": self.model_id})
            self._model_can = tuple(map(str, shown.get("capabilities") or ()))

    async def _check_abilities(self, *, thinks: bool, shows_image: bool) -> None:
        """Refuse at once what the model cannot do.

        Servers that do not tell are left to answer themselves.
        """
        if shows_image:
            await self._ask_abilities()
        if not self._model_can:
            return
        wants = {"completion": True, "thinking": thinks, "vision": shows_image}
        for ability, wanted in wants.items():
            if wanted and ability not in self._model_can:
                missing, why, hint = _LACKS[ability]
                raise CapabilityError(
                    f"Model {self.model_id!r} {why}; nothing was sent.",
                    hint=hint,
                    missing=missing,
                    backend=BACKEND,
                    model_id=self.model_id,
                )


async def _wait_for_room(error: ServerError, pause: float) -> float:
    """Wait until a server with a full queue may be asked again, and return how long to wait next time.

    Only a request that nothing has come of is: the server refuses it before it works on it.

    Args:
        error: What it said.
        pause: Seconds to wait, unless it asks for more.

    Raises:
        ServerError: It said something else, or there is no time for that.
    """
    wait = pause if error.retry_after is None else max(pause, error.retry_after)
    if error.status != 503 or not _BUSY.search(error.message) or wait >= seconds_left():
        raise error
    await asyncio.sleep(wait)
    return min(pause * 2, LONGEST_PAUSE)


def _says_something(part: Part, text: str) -> bool:
    """Tell whether a part of an answer shows that the model was at work."""
    is_cut = part.get("done_reason") == "length"
    return bool(text or calls_in(part) or part.get("eval_count") or is_cut)


def _wire_call(call: ModelToolCall | Mapping[str, Any]) -> dict[str, Any]:
    number, name, arguments = call_fields(call)
    known = {"id": number} if number else {}
    return {**known, "function": {"name": name, "arguments": dict(arguments)}}


def _repeats_itself(text: str) -> bool:
    """Tell whether a text ends with the same piece, or with nothing but blanks, again and again."""
    sizes = range(1, min(_LONGEST_PIECE, len(text) // _TIMES) + 1)
    is_blank = len(text) > _LONGEST_PIECE and not text[-_LONGEST_PIECE:].strip()
    return is_blank or any(text.endswith(text[-size:] * _TIMES) for size in sizes)


_LACKS = {
    "completion": ("chat", "does not chat: it only embeds", "Choose a model that chats."),
    "thinking": (
        Capability.THINKING.value,
        "does not think, and THINKING asks it to",
        "Leave THINKING out, or choose a model that reasons.",
    ),
    "vision": (
        Capability.IMAGES.value,
        "reads text only, and the prompt holds an image",
        "Choose a vision model, or leave the image out.",
    ),
}
"""What is missing, in the server's word: in ours, why that matters, and what to do."""
