"""OpenAI and every server that speaks its protocol: llama-server, vLLM, Ollama's ``/v1``, and the rest.

Requests go through the SDK's low-level ``post``, which keeps its authentication, time-outs and error
classes, and leaves out the typed transformation of every message and answer, where most of the SDK's time
goes. The transport is aiohttp's, one client for each event loop.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx2
import openai
from attrs import evolve
from openai import AsyncOpenAI

from mellea.core import (
    Adapter,
    AdapterMixin,
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
    OptionTable,
    SchemaDialect,
)
from mellea.core.adapter import refuse_embedded_adapters
from mellea.core.addresses import (
    check_address,
    is_this_machine,
    mentioning_proxy,
    refuse_redirect_async,
    without_user,
)
from mellea.core.chat_completions import (
    chat_body,
    chunk_from,
    chunks_from,
    completions_from,
    embeddings_from,
    malformed_response,
)
from mellea.core.chat_options import chat_option_table
from mellea.core.errors import (
    AuthenticationError,
    MelleaError,
    StreamInterruptedError,
    UsageError,
    stream_interrupted,
)
from mellea.core.event_loop import LoopLocal
from mellea.core.event_reader import EventReader
from mellea.core.formatter import ChatFormatter
from mellea.core.logprobs import completion_logprobs
from mellea.core.model_names import model_name
from mellea.core.openai_servers import RENDERING, VLLM, can_force, knows_tools, owner
from mellea.core.options import merge_nested
from mellea.core.prompt_batches import PromptBatches
from mellea.core.redaction import redacted, secrets_of_address
from mellea.core.sdk_options import SDKOptions
from mellea_openai.adapters import ServedAdapters
from mellea_openai.client import Client, HttpClient
from mellea_openai.failures import translate
from mellea_openai.patterns import KEEP_IN_STRINGS, KEEP_IN_TEXT, as_property, as_text, pattern_of
from mellea_openai.plugin import MANIFEST
from mellea_openai.streams import EventStream
from mellea_openai.tokens import NoTokenizerError, whole_words

__all__ = ["OpenAIBackend"]

OPENAI_HOST = "api.openai.com"
_LLAMA_CPP = re.compile(r"fp_ollama|b[0-9]+-[0-9a-f]+")
"""How Ollama, and llama.cpp's own server, sign their answers."""


class OpenAIBackend(Backend, AdapterMixin):
    """OpenAI, or an OpenAI-compatible server.

    Making one opens no connection.

    Args:
        model_id: The model, as the server names it.
        formatter: Turns spans into messages; by default one with templates for the model.
        base_url: Address of the server, up to and with ``/v1``. By default ``OPENAI_BASE_URL``, else OpenAI's
            own. A proxy of the environment is used unless the server is on this machine.
        model_options: Options of every call.
        api_key: The key. By default ``OPENAI_API_KEY``; only OpenAI's own endpoint insists on one.
        default_extra_body: Fields added to the body of every request.
        keeps_patterns: Whether the server holds a text to a pattern, so that requirements can steer. It is
            asked once what it is, by ``/models``: by default llama.cpp's, Ollama's and vLLM's do. OpenAI's
            own is tried, until it refuses one.
        native_tools: Whether tools go by the server's own protocol. By default they do, but for models of
            llama.cpp's and Ollama's servers whose template knows no tools: these choose by a schema.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.
        schema_dialect: Which words of JSON schemas the server keeps. By default OpenAI's strict mode at its
            own host, llama.cpp's once an answer says that it comes from there or from Ollama, else all.
        max_retries: How often a request is sent again after a failure that may pass; 2 for None. The SDK
            itself sends each once.
        client_options: Passed on to ``openai.AsyncOpenAI``: ``timeout`` (seconds, 600 by default),
            ``organization``, ``default_headers``, ...
        load_embedded_adapters: Refused: it is about models that have adapters inside.
        adapter_source: Refused, as well.
        default_to_constraint_checking_alora: Kept for programs that pass it.

    Raises:
        AuthenticationError: OpenAI's own endpoint, and no key.
        UsageError: The model id is empty, the address is none, or the SDK's client has no such option.
    """

    provider: ClassVar[str] = "openai"
    capabilities = MANIFEST.capabilities

    def __init__(
        self,
        model_id: str | ModelIdentifier = "gpt-5.1",
        formatter: ChatFormatter | None = None,
        base_url: str | None = None,
        model_options: Mapping[str, Any] | None = None,
        *,
        api_key: str | None = None,
        default_extra_body: Mapping[str, Any] | None = None,
        keeps_patterns: bool | None = None,
        native_tools: bool | None = None,
        strict_options: bool = False,
        schema_dialect: SchemaDialect | None = None,
        max_retries: int | None = None,
        default_to_constraint_checking_alora: bool = True,
        load_embedded_adapters: bool = False,
        adapter_source: str | None = None,
        **client_options: Any,
    ) -> None:
        refuse_embedded_adapters(
            self.provider, load_embedded_adapters=load_embedded_adapters, adapter_source=adapter_source
        )
        name = model_name(model_id, "openai_name", backend=self.provider, fallback="hf_model_name")
        super().__init__(
            name,
            formatter,
            model_options=model_options,
            strict_options=strict_options,
            max_retries=max_retries,
        )
        address = base_url or os.environ.get("OPENAI_BASE_URL") or f"https://{OPENAI_HOST}/v1"
        check_address(address, backend=self.provider, example="http://127.0.0.1:8000/v1")
        self.base_url, user = without_user(address)
        host = urlsplit(self.base_url).hostname
        self.given_url, self.has_key = base_url, api_key is not None
        self._is_openai = host == OPENAI_HOST
        self._is_local = is_this_machine(host)
        self.options: OptionTable = chat_option_table(is_openai=self._is_openai)
        self._finds_dialect = schema_dialect is None
        self._knows_server = self._is_openai
        self.schema_dialect = schema_dialect or (
            SchemaDialect.OPENAI_STRICT if self._is_openai else SchemaDialect.PLAIN
        )
        self._extra_body = dict(default_extra_body or {})
        self._tells_tokens = not self._is_openai
        self._keeps_patterns = True if self._is_openai and keeps_patterns is None else keeps_patterns
        self._owner: str | None = None
        self._knows_tools: bool | None = None
        self._native_tools = True if self._is_openai and native_tools is None else native_tools
        key = "none" if user is not None and api_key is None else self._key(api_key)
        self._client_options = _check_options(client_options) | {"api_key": key, "base_url": self.base_url}
        headers: dict[str, Any] = {} if self._is_openai else _left_out(_ABOUT_THIS_MACHINE)
        if user is not None and api_key is None:
            headers["Authorization"] = user
        self._client_options["default_headers"] = headers | dict(client_options.get("default_headers") or {})
        said = {} if self._is_openai else {"headers": _left_out(_ABOUT_THE_CALL)}
        self._said_nothing: Mapping[str, Any] = {**_SAID_NOTHING, **said}
        self._secrets = (key, *secrets_of_address(address))
        self._trust = _trust(self.base_url)
        self._chats_at = f"{self.base_url.rstrip('/')}/chat/completions"  # whole: the SDK parses it once
        self._batches = PromptBatches()
        self._served = ServedAdapters(self._ask, self.base_url, self.model_id)
        self._clients = LoopLocal(self._new_client, _close)

    def _key(self, api_key: str | None) -> str:
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key and self._is_openai:
            raise AuthenticationError(
                "There is no key for OpenAI.",
                hint="Set OPENAI_API_KEY, pass api_key=..., or pass base_url=... for another server.",
                backend=self.provider,
                model_id=self.model_id,
            )
        return key or "none"

    def _new_client(self) -> AsyncOpenAI:
        # A proxy of the environment is not for a server on this machine.
        hooks = {"response": [refuse_redirect_async]}
        http_client = HttpClient(verify=self._trust, event_hooks=hooks, trust_env=not self._is_local)
        return Client(**self._client_options, max_retries=0, http_client=http_client)

    @property
    def billed_by(self) -> str:
        """The address of the server."""
        return self.base_url

    async def supports(self, capability: Capability) -> bool:
        """Tell whether the server can do something. Whether it keeps patterns it is asked, once."""
        if capability is not Capability.REGEX:
            return await super().supports(capability)
        if self._keeps_patterns is not False:
            server = await self._owner_of_models()
            if self._keeps_patterns is None:
                self._keeps_patterns = server in KEEP_IN_STRINGS | KEEP_IN_TEXT
        return bool(self._keeps_patterns)

    async def _owner_of_models(self) -> str:
        """Return who owns the server's models in its own words, which it is asked once."""
        if self._owner is None:
            self._owner = "" if self._is_openai else await owner(self._ask)
            self.plain_patterns = self._owner in KEEP_IN_TEXT
        return self._owner

    async def load_adapter(self, adapter: Adapter) -> None:
        """Find out how the server names an adapter that it has. Its weights stay where they are.

        Raises:
            UsageError: The server does not have it, or is neither llama.cpp's nor vLLM's.
        """
        await self._served.find(adapter, await self._owner_of_models())

    async def unload_adapter(self, adapter: Adapter) -> None:
        """Forget an adapter; the server keeps it."""
        self._served.forget(adapter)

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell whether tools go by the server's own protocol. What it is, and knows, it is asked once."""
        if self._native_tools is not None:
            return self._native_tools
        server = await self._owner_of_models()
        if server not in RENDERING:
            return True
        if self._finds_dialect:
            self.schema_dialect = SchemaDialect.LLAMA_CPP
        if self._knows_tools is None:
            self._knows_tools = await knows_tools(self._ask, self.base_url, server, self.model_id)
        return self._knows_tools and can_force(server, choice, with_schema=with_schema)

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern and says nothing else."""
        if self._is_openai:  # whose newer models take neither
            return {}
        if self._owner == VLLM:
            return {ModelOption.TEMPERATURE: temperature, "repetition_penalty": repetition_penalty}
        named = {"repeat_penalty": repetition_penalty, "repeat_last_n": 256}
        return {ModelOption.TEMPERATURE: temperature, **named}

    async def _ask(self, address: str, body: Mapping[str, Any] | None) -> Any:
        """Return the JSON that the server answers beside a call, sent once; None where there is none."""
        client = await self._clients.get()
        method = client.get if body is None else partial(client.post, body=body)
        try:
            return await method(address, cast_to=object)
        except (openai.OpenAIError, MelleaError, ValueError):
            return None

    async def whole_words(self, words: Collection[str]) -> Collection[str] | None:
        """Return those of some words that the model's tokenizer has whole; None if the server cannot tell."""
        if not self._tells_tokens:
            return None
        try:
            return await whole_words(await self._clients.get(), self.base_url, words)
        except NoTokenizerError:
            self._tells_tokens = False
            return None

    def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Continue a conversation through ``/chat/completions``.

        A pattern that the server refuses is left out, then and later.
        """
        return self._stream_chat(request) if pattern_of(request) is None else self._stream_held(request)

    async def _stream_held(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        held = True
        if self._keeps_patterns is not False:
            try:
                async with aclosing(self._stream_chat(request)) as chunks:
                    async for chunk in chunks:
                        held = False
                        yield chunk
                return
            except openai.BadRequestError:
                if not held:
                    raise
        async with aclosing(self._stream_chat(evolve(request, schema=None))) as chunks:
            async for chunk in chunks:
                self._keeps_patterns = False
                yield chunk

    async def _stream_chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        client = await self._clients.get()
        sdk = SDKOptions.taken_from(request.options)
        messages = request.messages
        if any(message.audio for message in messages):
            from mellea.core.inlining import inlined  # noqa: PLC0415  few programs send audio

            messages = await inlined(messages, images=False)
        if messages is not request.messages or sdk.given:
            request = evolve(request, messages=messages, options=sdk.fields)
        more: Mapping[str, Any] = {}
        if (pattern := pattern_of(request)) is not None and self.plain_patterns:
            request, more = as_text(request, pattern, await self._owner_of_models())
        elif pattern is not None and self._is_openai:
            request = as_property(request, pattern)
        said, named = chat_body(request, self.schema_dialect), self._served.fields(request.adapter)
        body = sdk.body(merge_nested(self._extra_body, said, more, named))
        options = self._request_options(sdk)
        if not request.stream:
            response = await client.post(self._chats_at, body=body, options=options, cast_to=httpx2.Response)
            data = _json(response, self)
            self._note_server(data)
            for chunk in chunks_from(
                data, backend=self.provider, model_id=request.model_id, secrets=self._secrets
            ):
                yield chunk
            return
        ended = False
        reader = EventReader(
            self._malformed, backend=self.provider, model_id=request.model_id, secrets=self._secrets
        )
        stream = await client.post(
            self._chats_at,
            body=body,
            options=options,
            cast_to=object,
            stream=True,
            stream_cls=EventStream,
        )
        async with stream.read_by(reader):
            try:
                async for data in stream:
                    chunk = self._chunk(data, request)
                    ended = ended or chunk.finish_reason is not None
                    yield chunk
            except openai.APIConnectionError as error:
                raise self._interruption() from error
        reader.check()
        if not (ended or reader.done):
            raise self._interruption()

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts through ``/completions``, in one request where the server takes several."""
        client = await self._clients.get()
        sdk = SDKOptions.taken_from(request.options)
        options = completion_logprobs(sdk.fields)
        if "max_completion_tokens" in options:
            options["max_tokens"] = options.pop("max_completion_tokens")
        body = {"model": request.model_id, **options}
        if request.schema is not None:
            said = request.schema.in_dialect(self.schema_dialect).schema
            # The protocol has no field for it: the first is llama-server's, the second vLLM's.
            body |= {
                "json_schema": said,
                "structured_outputs": {"json": said},
            }
        sent = sdk.body(merge_nested(self._extra_body, body, self._served.fields(request.adapter)))

        async def send(prompts: Sequence[str]) -> Sequence[Completion]:
            response = await client.post(
                "/completions",
                body={**sent, "prompt": list(prompts) if len(prompts) > 1 else prompts[0]},
                options=self._request_options(sdk),
                cast_to=httpx2.Response,
            )
            return completions_from(
                _json(response, self), len(prompts), backend=self.provider, model_id=request.model_id
            )

        return await self._batches.complete(self, request.prompts, send)

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Give plain texts a vector each, through ``/embeddings``."""
        client = await self._clients.get()
        body: dict[str, Any] = {"model": request.model_id, "input": list(request.prompts)}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        body = merge_nested(self._extra_body, {**body, "encoding_format": "float"})
        response = await client.post("/embeddings", body=body, cast_to=httpx2.Response)
        return embeddings_from(_json(response, self), backend=self.provider, model_id=request.model_id)

    def _request_options(self, sdk: SDKOptions) -> Any:
        """Return what the SDK takes beside a body; the secrets in it are known from now on."""
        if not sdk.given:
            return self._said_nothing
        self._secrets = tuple(dict.fromkeys([*self._secrets, *sdk.secrets]))
        timeout = {"timeout": sdk.given["timeout"]} if "timeout" in sdk.given else {}
        return {"headers": sdk.headers, "params": sdk.query, **timeout}

    def _note_server(self, data: Any) -> None:
        """Learn from an answer which server gives it, for the schemas and options of later requests."""
        if (
            self._knows_server
            or not isinstance(data, Mapping)
            or not (name := data.get("system_fingerprint"))
        ):
            return
        self._knows_server = True
        if self._finds_dialect and _LLAMA_CPP.fullmatch(str(name)):
            self.schema_dialect = SchemaDialect.LLAMA_CPP
        if name == "fp_ollama":  # it has no switch in the chat template
            self.options = chat_option_table(is_openai=False, reasons_by_effort=True)

    def _chunk(self, data: Any, request: ChatRequest) -> Chunk:
        self._note_server(data)
        return chunk_from(data, backend=self.provider, model_id=request.model_id, secrets=self._secrets)

    def _malformed(self, data: Any) -> MelleaError:
        said = redacted(str(data), self._secrets)
        return malformed_response(said, backend=self.provider, model_id=self.model_id)

    def _interruption(self) -> StreamInterruptedError:
        return stream_interrupted(backend=self.provider, model_id=self.model_id)

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of the SDK's."""
        ours = translate(
            error, address=redacted(self.base_url), model_id=self.model_id, secrets=self._secrets
        )
        return None if ours is None else mentioning_proxy(ours, self.base_url)

    async def aclose(self) -> None:
        """Close the clients. A later call opens new ones."""
        await self._clients.aclose()


_ABOUT_THIS_MACHINE = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version")
_ABOUT_THE_CALL = ("Async", "Retry-Count", "Read-Timeout")
"""Headers by which the SDK tells OpenAI of this machine, and of a call; no other server is sent them."""
_SAID_NOTHING = dict.fromkeys(("headers", "max_retries", "timeout", "post_parser"), openai.NOT_GIVEN)
"""What a call says that says nothing of these: in words, since the SDK else copies each of its defaults."""


def _left_out(names: Iterable[str]) -> dict[str, Any]:
    return dict.fromkeys((f"X-Stainless-{name}" for name in names), openai.omit)


def _check_options(options: dict[str, Any]) -> dict[str, Any]:
    known = set(inspect.signature(AsyncOpenAI.__init__).parameters) - {"self", "http_client", "max_retries"}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise UsageError(
            f"OpenAIBackend takes no {', '.join(unknown)}.",
            hint=f"The SDK's client takes {', '.join(sorted(known))}.",
        )
    return options


def _trust(base_url: str) -> ssl.SSLContext:
    """Return what says whose certificates count.

    Made once, and not on an event loop, which it would block for 50 ms.

    A server on plain HTTP needs no certificates, and loading them takes longer than many calls. If it
    redirects to HTTPS, the call fails: the key has already travelled in the clear.
    """
    plain = urlsplit(base_url).scheme == "http"
    return httpx2.create_ssl_context(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True)


async def _close(client: AsyncOpenAI) -> None:
    await client.close()


def _json(response: httpx2.Response, backend: OpenAIBackend) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise malformed_response(
            response.text, backend=backend.provider, model_id=backend.model_id
        ) from error
