"""Every provider that LiteLLM knows, behind one class.

LiteLLM is imported with the first call, in a thread. It translates requests and answers; retries, time-outs
by piece and errors are Mellea's, so that they are the same for every provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from attrs import evolve

from mellea.core import (
    FREE,
    Backend,
    Capability,
    ChatRequest,
    Chunk,
    Completion,
    CompletionRequest,
    EmbeddingRequest,
    EmbeddingResponse,
    ModelIdentifier,
    ModelOption,
    SchemaDialect,
)
from mellea.core.addresses import check_address, mentioning_proxy
from mellea.core.chat_completions import chat_body, chunk_from, chunks_from, completions_from, embeddings_from
from mellea.core.chat_options import CHAT_OPTIONS, chat_option_table
from mellea.core.errors import CapabilityError, MelleaError, UsageError, stream_interrupted
from mellea.core.inlining import inlined
from mellea.core.logprobs import completion_logprobs
from mellea.core.openai_servers import RENDERING, can_force, knows_tools, owner
from mellea.core.options import report_unsupported
from mellea.core.prompt_batches import PromptBatches
from mellea.core.redaction import secrets_of_address
from mellea.core.sdk_options import SDKOptions
from mellea_litellm.clients import Clients, close_stream, http_response, loop_guards, result_of
from mellea_litellm.counting import LengthOfStream
from mellea_litellm.failures import translate
from mellea_litellm.plugin import MANIFEST
from mellea_litellm.route import Route, hidden, load_litellm, model_string
from mellea_litellm.streams import WatchedStream
from mellea_litellm.wire import Told, WireCheck, of_this_call

if TYPE_CHECKING:
    from mellea.core.formatter import ChatFormatter

__all__ = ["LiteLLMBackend"]

_NAMES = {
    "max_tokens": "MAX_NEW_TOKENS",
    "temperature": "TEMPERATURE",
    "seed": "SEED",
    "stop": "STOP_SEQUENCES",
    "reasoning_effort": "THINKING",
}
"""Common options under LiteLLM's names."""


def _thinking_options(value: Any) -> Mapping[str, Any]:
    return {"reasoning_effort": value if isinstance(value, str) else "medium" if value else "none"}


_OWN = frozenset(
    {
        "additional_drop_params",
        "allowed_openai_params",
        "api_base",
        "api_key",
        "api_version",
        "azure_ad_token",
        "cache",
        "caching",
        "custom_llm_provider",
        "deployment_id",
        "drop_params",
        "fallbacks",
        "guardrail_config",
        "hf_model_name",
        "mock_response",
        "organization",
        "safety_settings",
        "stop_sequences",
        "system",
        "vertex_credentials",
        "vertex_location",
        "vertex_project",
    }
)
"""LiteLLM's own arguments, and those of the providers that it passes on."""

_CHAT_TABLE = chat_option_table()
_TABLE = evolve(
    _CHAT_TABLE,
    names={**_CHAT_TABLE.names, ModelOption.THINKING: _thinking_options},
    spellings={**_CHAT_TABLE.spellings, "num_retries": ModelOption.MAX_RETRIES},
    native=CHAT_OPTIONS | _OWN,
)
_OLLAMA_TABLE = evolve(
    _TABLE,
    names={**_TABLE.names, ModelOption.CONTEXT_WINDOW: "num_ctx"},
    spellings={**_TABLE.spellings, "num_ctx": ModelOption.CONTEXT_WINDOW},
    native=CHAT_OPTIONS | _OWN | {"format", "num_gpu", "num_predict", "num_thread", "shift", "truncate"},
)


Answer = TypeVar("Answer", Chunk, Completion)


class LiteLLMBackend(Backend):
    """A model of any provider that LiteLLM knows.

    Making one imports nothing heavy and opens no connection; a model id that LiteLLM cannot place fails with
    the first call.

    Args:
        model_id: ``provider/model``, such as ``anthropic/claude-3-opus-20240229``. Of a ``ModelIdentifier``
            the first of its Ollama, OpenAI, watsonx, Bedrock and Hugging Face names is taken, each with its
            provider.
        formatter: Turns spans into messages; by default one with templates for the model.
        base_url: Address of the server, for providers that run at several. By default the provider's own.
        model_options: Options of every call; options that are no common ones go to LiteLLM as they are.
        api_key: The key. By default the provider's environment variable, such as ``OPENAI_API_KEY``.
        timeout: Seconds to wait for an answer, or for the next bytes of a stream.
        max_retries: How often a request is sent again after a failure that may pass; 2 for None. LiteLLM
            itself sends each once.
        num_retries: The same in LiteLLM's words.
        native_tools: Whether tools go by the provider's own protocol. By default they do where LiteLLM says
            so; else, with Ollama's models, and where a server behind ``openai/`` says that it is llama.cpp's
            or Ollama's and that the model's template knows no tools, the model chooses among them by a
            schema.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.
        keeps_patterns: Whether the provider holds a JSON string to the pattern of its schema, so that
            requirements can steer. By default only Ollama's models (``ollama_chat/``) do; say so for a
            llama.cpp server behind ``openai/``.

    Raises:
        UsageError: The model id is empty, the address is none, or the identifier has no name that LiteLLM
            could use.
    """

    provider: ClassVar[str] = "litellm"
    capabilities = MANIFEST.capabilities

    def __init__(
        self,
        model_id: str | ModelIdentifier = "ollama_chat/granite4.1:3b",
        formatter: ChatFormatter | None = None,
        base_url: str | None = None,
        model_options: Mapping[str, Any] | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 600.0,
        max_retries: int | None = None,
        num_retries: int | None = None,
        native_tools: bool | None = None,
        strict_options: bool = False,
        keeps_patterns: bool | None = None,
    ) -> None:
        name = model_string(model_id, backend=self.provider)
        super().__init__(
            name,
            formatter,
            model_options=model_options,
            strict_options=strict_options,
            max_retries=num_retries if max_retries is None else max_retries,
        )
        if base_url is not None:
            check_address(base_url, backend=self.provider, example="http://127.0.0.1:8080/v1")
        self.base_url = base_url
        self.options = _OLLAMA_TABLE if name.startswith(("ollama/", "ollama_chat/")) else _TABLE
        on_ollama = name.startswith("ollama_chat/")
        self._keeps_patterns = on_ollama if keeps_patterns is None else keeps_patterns
        self._api_key = api_key
        self.has_key = api_key is not None
        self._timeout = timeout
        self._native_tools = native_tools
        self._owner: str | None = None
        self._knows_tools: bool | None = None
        if self.model_id.startswith(("ollama/", "ollama_chat/")):
            self.price = FREE
        self._secrets = secrets_of_address(base_url)
        self._route: Route | None = None
        self._batches: PromptBatches | None = None
        self._clients = Clients(timeout, WireCheck(name, self._known_secrets))

    @property
    def billed_by(self) -> str | None:
        """The address of the server, if one is given; else the model's name says the provider."""
        return self.base_url

    async def ready(self) -> None:
        """Learn what LiteLLM says of the model, which decides on capabilities and schemas."""
        await self._find_route()

    async def supports(self, capability: Capability) -> bool:
        """Tell whether the model can do something; whether its provider keeps patterns, no manifest can."""
        if capability is Capability.REGEX:
            return self._keeps_patterns
        return await super().supports(capability)

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern and says nothing else."""
        named = {"repeat_penalty": repetition_penalty, "repeat_last_n": 256}
        return {ModelOption.TEMPERATURE: temperature, **named}

    async def _find_route(self) -> Route:
        """Import LiteLLM, once, and learn what it says of the model."""
        if self._route is None:
            provider = self.model_options.get("custom_llm_provider")
            self._route = await asyncio.to_thread(
                Route.of, self.model_id, api_key=self._api_key, base_url=self.base_url, provider=provider
            )
            hidden.secrets.update(filter(None, (self._route.api_key, *secrets_of_address(self.base_url))))
            self.capabilities = type(self).capabilities - self._route.lacks
            self.schema_dialect = self._route.schema_dialect
        return self._route

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell whether tools go by the provider's own protocol, as far as LiteLLM and the server know."""
        if self._native_tools is not None:
            return self._native_tools
        route = await self._find_route()
        if not route.calls_tools or Capability.TOOLS not in self.capabilities:
            return False
        if route.base_url is None or not route.may_render_prompts:
            return True
        if self._owner is None:
            self._owner = await owner(self._ask)
        if self._owner not in RENDERING:
            return True
        self.schema_dialect = SchemaDialect.LLAMA_CPP
        if self._knows_tools is None:
            name = self.model_id.split("/", 1)[-1]
            self._knows_tools = await knows_tools(self._ask, route.base_url, self._owner, name)
        return self._knows_tools and can_force(self._owner, choice, with_schema=with_schema)

    async def _ask(self, address: str, body: Mapping[str, Any] | None) -> Any:
        """Return the JSON that a server behind the ``openai`` SDK answers beside a call; None without one."""
        from openai import OpenAIError  # noqa: PLC0415  LiteLLM has loaded it

        of_this_call.set(None)
        client: Any = await self._clients.get(await self._find_route(), raw=False)
        try:
            method = client.get if body is None else partial(client.post, body=body)
            return await method(address, cast_to=object)
        except (OpenAIError, MelleaError, ValueError):
            return None

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Continue a conversation through ``litellm.acompletion``."""
        route = await self._find_route()
        request = evolve(request, options=self._drop_unsupported(self._sdk_arguments(request.options), route))
        # For most providers LiteLLM would fetch images itself, wherever an address and its redirects lead.
        messages = await inlined(request.messages, images=not route.takes_client)
        request = evolve(request, messages=messages)
        body = chat_body(request, self.schema_dialect, self.provider)
        told = Told()
        answer = await self._send("acompletion", body, route, told)
        if not request.stream:
            where = {"backend": self.provider, "model_id": request.model_id}
            for chunk in chunks_from(answer.model_dump(), **where):
                yield _with_true_end(chunk, route, body)
            return
        async with aclosing(self._pieces(answer, request, told)) as pieces:
            async for chunk in pieces:
                yield _with_true_end(chunk, route, body)

    async def _pieces(self, answer: Any, request: ChatRequest, told: Told) -> AsyncGenerator[Chunk, None]:
        """Iterate over what a stream of LiteLLM's says; what went wrong below LiteLLM counts first."""
        response = http_response(answer)
        watched = WatchedStream.of(answer, told, backend=self.provider, model_id=request.model_id)
        length = LengthOfStream(request)
        try:
            async for piece in answer:
                if told.error is not None:
                    raise told.error
                chunk = self._chunk(piece, request)
                if chunk.finish_reason and not (
                    answer.received_finish_reason or answer.intermittent_finish_reason or told.is_done
                ):
                    # LiteLLM made the reason up: the provider's stream was cut.
                    raise stream_interrupted(backend=self.provider, model_id=request.model_id)
                yield chunk
                length.add(chunk)
                if chunk.finish_reason and await length.is_too_long(answer):
                    yield Chunk(usage=length.told)
                    break
            if told.error is not None:
                raise told.error
            if watched.refusal:
                yield Chunk(refusal=watched.refusal)
        except Exception as error:
            if (true_error := told.instead_of(error)) is not None:
                raise true_error from error
            raise
        finally:
            await close_stream(answer, response)

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts through ``litellm.atext_completion``.

        In one request where the provider takes several.

        A provider that only chats is sent each text as a message of its own; LiteLLM has no other way to it.
        """
        if request.schema is not None:
            raise CapabilityError(
                "LiteLLM cannot constrain a plain completion to a schema; nothing was sent.",
                missing=Capability.JSON_SCHEMA.value,
                hint="Ask for the format in a chat, with instruct(..., format=...) or act(...).",
                backend=self.provider,
                model_id=self.model_id,
            )
        route = await self._find_route()
        body = {
            "model": request.model_id,
            **self._drop_unsupported(self._sdk_arguments(completion_logprobs(request.options)), route),
        }

        async def send(prompts: Sequence[str]) -> Sequence[Completion]:
            prompt = list(prompts) if len(prompts) > 1 else prompts[0]
            answer = await self._send("atext_completion", {**body, "prompt": prompt}, route, Told())
            completions = completions_from(
                answer.model_dump(), len(prompts), backend=self.provider, model_id=request.model_id
            )
            return [_with_true_end(completion, route, body) for completion in completions]

        if self._batches is None:
            self._batches = PromptBatches(together=route.batches)
        return await self._batches.complete(self, request.prompts, send)

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Give plain texts a vector each, through ``litellm.aembedding``."""
        route = await self._find_route()
        body: dict[str, Any] = {"model": request.model_id, "input": list(request.prompts)}
        if request.dimensions is not None:
            body |= {"dimensions": request.dimensions, "allowed_openai_params": ["dimensions"]}
        answer = await self._send("aembedding", body, route, Told())
        return embeddings_from(answer.model_dump(), backend=self.provider, model_id=request.model_id)

    def _sdk_arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as LiteLLM takes them; the secrets in them are known from now on."""
        sdk = SDKOptions.taken_from(options)
        if sdk.query:
            raise UsageError(
                "LiteLLM takes no option 'extra_query'; nothing was sent.",
                hint="Say it in the option of your provider, such as api_version.",
                backend=self.provider,
                model_id=self.model_id,
            )
        self._secrets = tuple(dict.fromkeys([*self._secrets, *sdk.secrets]))
        return sdk.arguments()

    def _drop_unsupported(self, options: Mapping[str, Any], route: Route) -> dict[str, Any]:
        """Return the options without the common ones that the model cannot honour, which are reported."""
        wanted = dict(options)
        supported = route.supported
        if supported is None:
            return wanted
        if "max_tokens" in wanted and "max_tokens" not in supported and "max_completion_tokens" in supported:
            wanted["max_completion_tokens"] = wanted.pop("max_tokens")
        missing = [name for name in wanted if name in _NAMES and name not in supported]
        report_unsupported(
            [_NAMES[name] for name in missing],
            backend=f"litellm/{route.provider}",
            strict=self.strict_options,
            reported=self.reported_options(),
        )
        return {name: value for name, value in wanted.items() if name not in missing}

    async def _send(self, function: str, body: Mapping[str, Any], route: Route, told: Told) -> Any:
        """Call a function of LiteLLM's, once."""
        of_this_call.set(told)
        guard = await loop_guards.get()
        call = getattr(load_litellm(), function)
        arguments = {
            "api_key": self._api_key,
            "api_base": self.base_url,
            "timeout": self._timeout,
            "max_retries": 0,
            "client": await self._clients.get(route, raw=function == "atext_completion"),
            **body,
        }
        try:
            return await result_of(call(**arguments) if body.get("stream") else guard.call(call, arguments))
        except Exception as error:
            if (true_error := told.instead_of(error)) is not None:
                raise true_error from error
            raise

    def _chunk(self, data: Any, request: ChatRequest) -> Chunk:
        return chunk_from(data.model_dump(), backend=self.provider, model_id=request.model_id)

    def _known_secrets(self) -> tuple[str | None, ...]:
        return (self._api_key or (self._route.api_key if self._route else None), *self._secrets)

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of LiteLLM's."""
        key, *_ = self._known_secrets()
        ours = translate(error, model_id=self.model_id, key=key, secrets=self._secrets)
        address = self._route.address if self._route else self.base_url
        return ours if ours is None or address is None else mentioning_proxy(ours, address)

    async def aclose(self) -> None:
        """Close the clients. A later call opens new ones."""
        await self._clients.aclose()


def _with_true_end(answer: Answer, route: Route, body: Mapping[str, Any]) -> Answer:
    """Return an answer, or a piece of one, with the finish reason that is the right one."""
    reason = route.told_length(answer.finish_reason, answer.usage, body)
    return answer if reason == answer.finish_reason else evolve(answer, finish_reason=reason)
