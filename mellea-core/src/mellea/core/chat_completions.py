"""The chat-completions wire format, which several backends speak: messages to JSON, JSON to chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock
from mellea.core.capabilities import SchemaDialect
from mellea.core.errors import MalformedResponseError, UsageError
from mellea.core.logprobs import logprobs_from
from mellea.core.message import Message, merge_provider_fields
from mellea.core.provider_errors import error_for_status
from mellea.core.provider_words import OBJECT, error_of_answer
from mellea.core.reasoning import replays_reasoning
from mellea.core.redaction import redacted
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse, Usage
from mellea.core.schema import OutputSchema
from mellea.core.tool_call import ToolCallFragment, openai_call
from mellea.core.tool_offer import AUTO, NONE, REQUIRED

__all__ = [
    "chat_body",
    "chunk_from",
    "chunks_from",
    "completions_from",
    "embeddings_from",
    "fragments_in",
    "malformed_response",
    "response_format",
    "text_and_thinking",
    "usage_from",
    "wire_messages",
]


def chat_body(
    request: ChatRequest, dialect: SchemaDialect = SchemaDialect.PLAIN, provider: str = "openai"
) -> dict[str, Any]:
    """Return the body of a chat-completions request.

    Args:
        request: The request.
        dialect: Which words of JSON schemas the server keeps.
        provider: Whose fields of the messages are taken.
    """
    body: dict[str, Any] = {
        "model": request.model_id,
        "messages": wire_messages(request.messages, provider),
        **request.options,
    }
    if request.n > 1:
        body["n"] = request.n
    if request.schema is not None:
        body["response_format"] = response_format(request.schema, dialect)
    if request.tools:
        body["tools"] = [tool.json_form() for tool in request.tools]
        if request.tool_choice != AUTO:
            body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _tool_choice(choice: str) -> Any:
    is_word = choice in (NONE, REQUIRED)
    return choice if is_word else {"type": "function", "function": {"name": choice}}


def wire_messages(messages: Iterable[Message], provider: str = "openai") -> list[dict[str, Any]]:
    """Return messages in the wire format.

    Args:
        messages: The messages.
        provider: Whose fields of the messages are taken.
    """
    return [
        _full_message(message, provider)
        if message.images
        or message.audio
        or message.tool_calls
        or message.tool_call_id
        or message.tool_name
        or message.provider_fields
        else {"role": message.role, "content": message.content}
        for message in messages
    ]


def _full_message(message: Message, provider: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    for image in message.images or ():
        url = image.data_uri if isinstance(image, ImageBlock) else image.value
        parts.append({"type": "image_url", "image_url": {"url": url}})
    parts.extend({"type": "input_audio", "input_audio": _audio(audio)} for audio in message.audio or ())
    wire: dict[str, Any] = {
        "role": message.role,
        "content": parts if message.images or message.audio else message.content,
    }
    if message.tool_calls:
        wire["tool_calls"] = [openai_call(call) for call in message.tool_calls]
        wire["content"] = wire["content"] or None
        if replays_reasoning(message):
            wire["reasoning_content"] = message.thinking
    if message.tool_call_id:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_name:
        wire["name"] = message.tool_name
    return merge_provider_fields(wire, message.provider_fields, provider)


def _audio(audio: AudioBlock | AudioUrlBlock) -> dict[str, Any]:
    if isinstance(audio, AudioUrlBlock):
        raise UsageError(
            "This backend takes no audio by address.", hint="Load the file and pass an AudioBlock."
        )
    return {"data": str(audio).rpartition(",")[2], "format": audio.format}


def response_format(schema: OutputSchema, dialect: SchemaDialect = SchemaDialect.PLAIN) -> dict[str, Any]:
    """Return the ``response_format`` that constrains the output to a schema.

    Args:
        schema: The schema.
        dialect: What the server understands. OpenAI's strict mode is claimed where it takes the schema.
    """
    said = schema.in_dialect(dialect)
    strict = said.strict or dialect is not SchemaDialect.OPENAI_STRICT  # most others know strict schemas only
    return {
        "type": "json_schema",
        "json_schema": {"name": schema.name[:64], "schema": dict(said.schema), "strict": strict},
    }


def chunk_from(data: Any, *, backend: str, model_id: str, secrets: Iterable[str | None] = ()) -> Chunk:
    """Return the chunk for one answer, whole (``message``) or a piece of a stream (``delta``).

    Of a plain completion too, whose text stands in the choice itself.

    A piece may hold no choice, or a choice without a delta: usage alone, or what a filter has looked at.

    Raises:
        MelleaError: It is an error of the provider's.
        MalformedResponseError: It is not what the protocol says.
    """
    return _chunks(data, backend, model_id, secrets)[0]


def chunks_from(data: Any, *, backend: str, model_id: str, secrets: Iterable[str | None] = ()) -> list[Chunk]:
    """Return one chunk for each answer in a whole response; what all of them spent is told by the first.

    Raises:
        MelleaError: It is an error of the provider's.
        MalformedResponseError: It is not what the protocol says, or there is no answer in it.
    """
    chunks = _chunks(data, backend, model_id, secrets)
    choices = data.get("choices")
    if not choices or not all(isinstance(choice.get("message"), OBJECT) for choice in choices):
        raise malformed_response(data, backend=backend, model_id=model_id)
    return chunks


def _chunks(data: Any, backend: str, model_id: str, secrets: Iterable[str | None]) -> list[Chunk]:
    error = error_of_answer(data)
    if error is not None:
        raise error_for_status(None, error, backend=backend, model_id=model_id, secrets=secrets)
    try:
        usage = usage_from(data.get("usage"))
        choices = data.get("choices") or [{}]
        return [
            _chunk(data, choice, usage if place == 0 else None, place) for place, choice in enumerate(choices)
        ]
    except (AttributeError, TypeError) as wrong:
        raise malformed_response(data, backend=backend, model_id=model_id) from wrong


def _chunk(data: Mapping[str, Any], choice: Mapping[str, Any], usage: Usage | None, place: int) -> Chunk:
    said = choice.get("delta") or choice.get("message") or {}
    text, thinking = text_and_thinking(said.get("content") if said else choice.get("text"))
    reasoning = said.get("reasoning_content") or said.get("reasoning") or said.get("thinking")
    particular = said.get("provider_specific_fields") or {}  # where LiteLLM keeps what it does not know
    index = choice.get("index")
    return Chunk(
        text=text,
        thinking=reasoning if isinstance(reasoning, str) else thinking,
        finish_reason=choice.get("finish_reason") or None,
        usage=usage,
        response_id=_text_or_none(data.get("id")),
        response_model=_text_or_none(data.get("model")),
        raw=data,
        index=index if type(index) is int and index >= 0 else place,
        refusal=said.get("refusal") or particular.get("refusal") or "",
        logprobs=logprobs_from(choice.get("logprobs")),
        tool_calls=fragments_in(said),
    )


def fragments_in(said: Mapping[str, Any]) -> tuple[ToolCallFragment, ...]:
    """Return the pieces of tool calls in a message or a delta.

    Raises:
        TypeError: They are not what the protocol says.
    """
    calls, older = said.get("tool_calls"), said.get("function_call")
    if not calls and not older:
        return ()
    if not calls:  # as older servers say it
        calls = [{"function": older}] if isinstance(older, Mapping) else ()
    return tuple(_fragment(call, place) for place, call in enumerate(calls))


def _fragment(call: Mapping[str, Any], place: int) -> ToolCallFragment:
    function = call.get("function") or {}
    index, arguments = call.get("index"), function.get("arguments")
    return ToolCallFragment(
        index if type(index) is int else place,
        call.get("id") or None,
        function.get("name") or "",
        "" if arguments is None else arguments,
    )


def text_and_thinking(content: Any) -> tuple[str, str]:
    """Return the text and the reasoning of a content, which may come in parts.

    Raises:
        TypeError: It is neither text nor parts.
    """
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list):
        raise TypeError(f"content is {type(content).__name__}")
    texts, thoughts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("type") in ("thinking", "reasoning"):
            thoughts.append(text_and_thinking(part.get("thinking") or part.get("reasoning"))[0])
    return "".join(texts), "".join(thoughts)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def completions_from(data: Any, count: int, *, backend: str, model_id: str) -> list[Completion]:
    """Return the completions of ``count`` prompts in the order of the prompts.

    Raises:
        MalformedResponseError: It is not what the protocol says, or completions are missing.
    """
    try:
        error = error_of_answer(data)
        if error is not None:
            raise error_for_status(None, error, backend=backend, model_id=model_id)
        choices = sorted(data["choices"], key=lambda choice: choice["index"])
        if len(choices) != count:
            raise malformed_response(data, backend=backend, model_id=model_id)
        usage = usage_from(data.get("usage")) if count == 1 else None
        if not all(isinstance(choice["text"], str) for choice in choices):
            raise malformed_response(data, backend=backend, model_id=model_id)
        return [
            Completion(
                choice["text"],
                choice.get("finish_reason") or None,
                usage,
                logprobs_from(choice.get("logprobs")),
            )
            for choice in choices
        ]
    except (AttributeError, KeyError, TypeError) as wrong:
        raise malformed_response(data, backend=backend, model_id=model_id) from wrong


def embeddings_from(data: Any, *, backend: str, model_id: str) -> EmbeddingResponse:
    """Return the vectors of an answer of ``/embeddings``, in the order of the texts.

    Raises:
        MalformedResponseError: It is not what the protocol says.
    """
    try:
        error = error_of_answer(data)
        if error is not None:
            raise error_for_status(None, error, backend=backend, model_id=model_id)
        entries = sorted(data["data"], key=lambda entry: entry["index"])
        return EmbeddingResponse([entry["embedding"] for entry in entries], usage_from(data.get("usage")))
    except (AttributeError, KeyError, TypeError) as wrong:
        raise malformed_response(data, backend=backend, model_id=model_id) from wrong


def usage_from(usage: Any) -> Usage | None:
    """Return the tokens spent, or None if the provider does not say, or says what cannot be."""
    if not usage or not isinstance(usage, OBJECT):
        return None
    read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    cached = _count_within(usage.get("prompt_tokens_details"), "cached_tokens")
    reasoned = _count_within(usage.get("completion_tokens_details"), "reasoning_tokens")
    if read is None or written is None or cached is None or reasoned is None:
        return None
    # No prompt is of no tokens: who says so does not count, and LiteLLM says it where nothing was said.
    return Usage(read, written, cached, reasoned) if read or written or cached or reasoned else None


def _count_within(details: Any, name: str) -> int | None:
    return _count(details.get(name)) if details and isinstance(details, OBJECT) else 0


def _count(value: Any) -> int | None:
    """Return a number of tokens, 0 if there is none, and None for what is no number of tokens."""
    if type(value) is int:
        return value if value >= 0 else None
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def malformed_response(data: Any, *, backend: str, model_id: str) -> MalformedResponseError:
    """Return the error for an answer that does not follow the protocol."""
    said = " ".join(redacted(str(data)[:200]).split())
    return MalformedResponseError(
        f"Backend {backend!r} got an answer that is no chat completion: {said}.",
        hint="Check that the base URL leads to an OpenAI-compatible server.",
        backend=backend,
        model_id=model_id,
    )
