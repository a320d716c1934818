"""The chat-completions wire format, which several backends speak: messages to JSON, JSON to chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock
from mellea.core.capabilities import SchemaDialect
from mellea.core.errors import MalformedResponseError, UsageError
from mellea.core.message import Message
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk, Completion, Usage
from mellea.core.schema import OutputSchema

__all__ = [
    "chat_body",
    "chunk_from",
    "chunks_from",
    "completions_from",
    "malformed_response",
    "response_format",
    "usage_from",
    "wire_messages",
]


def chat_body(request: ChatRequest, dialect: SchemaDialect = SchemaDialect.PLAIN) -> dict[str, Any]:
    """Return the body of a chat-completions request.

    Args:
        request: The request.
        dialect: Which words of JSON schemas the server keeps.
    """
    body: dict[str, Any] = {
        "model": request.model_id,
        "messages": wire_messages(request.messages),
        **request.options,
    }
    if request.n > 1:
        body["n"] = request.n
    if request.schema is not None:
        body["response_format"] = response_format(request.schema, dialect)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def wire_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Return messages in the wire format."""
    return [
        {"role": message.role, "content": message.content}
        if not (message.images or message.audio or message.tool_calls or message.tool_call_id)
        else _full_message(message)
        for message in messages
    ]


def _full_message(message: Message) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    for image in message.images:
        url = image.data_uri if isinstance(image, ImageBlock) else image.value
        parts.append({"type": "image_url", "image_url": {"url": url}})
    parts.extend({"type": "input_audio", "input_audio": _audio(audio)} for audio in message.audio)
    wire: dict[str, Any] = {
        "role": message.role,
        "content": parts if message.images or message.audio else message.content,
    }
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.tool_call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.args))},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        wire["tool_call_id"] = message.tool_call_id
    return wire


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


def chunk_from(data: Any, *, backend: str, model_id: str) -> Chunk:
    """Return the chunk for one answer, whole (``message``) or a piece of a stream (``delta``).

    Raises:
        MalformedResponseError: It is not what the protocol says.
    """
    return chunks_from(data, backend=backend, model_id=model_id)[0]


def chunks_from(data: Any, *, backend: str, model_id: str) -> list[Chunk]:
    """Return one chunk for each answer in the data, at least one.

    What all of them spent is told by the first.

    Raises:
        MalformedResponseError: It is not what the protocol says.
    """
    try:
        usage = usage_from(data.get("usage"))
        choices = data["choices"]
        if not choices:
            return [Chunk(usage=usage, raw=data)]
        return [_chunk(data, choice, usage if place == 0 else None) for place, choice in enumerate(choices)]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise malformed_response(data, backend=backend, model_id=model_id) from error


def _chunk(data: Mapping[str, Any], choice: Mapping[str, Any], usage: Usage | None) -> Chunk:
    said = choice.get("delta")
    if said is None:
        said = choice["message"]
    return Chunk(
        text=said.get("content") or "",
        thinking=said.get("reasoning_content") or said.get("reasoning") or "",
        finish_reason=choice.get("finish_reason"),
        usage=usage,
        response_id=data.get("id"),
        response_model=data.get("model"),
        raw=data,
        index=choice.get("index") or 0,
    )


def completions_from(data: Any, count: int, *, backend: str, model_id: str) -> list[Completion]:
    """Return the completions of ``count`` prompts in the order of the prompts.

    Raises:
        MalformedResponseError: It is not what the protocol says, or completions are missing.
    """
    try:
        choices = sorted(data["choices"], key=lambda choice: choice["index"])
        if len(choices) != count:
            raise malformed_response(data, backend=backend, model_id=model_id)
        usage = usage_from(data.get("usage")) if count == 1 else None
        return [Completion(choice["text"], choice.get("finish_reason"), usage) for choice in choices]
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed_response(data, backend=backend, model_id=model_id) from error


def usage_from(usage: Mapping[str, Any] | None) -> Usage | None:
    """Return the tokens spent, or None if the provider does not say."""
    if not usage:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Usage(
        usage.get("prompt_tokens") or 0,
        usage.get("completion_tokens") or 0,
        prompt.get("cached_tokens") or 0,
        completion.get("reasoning_tokens") or 0,
    )


def malformed_response(data: Any, *, backend: str, model_id: str) -> MalformedResponseError:
    """Return the error for an answer that does not follow the protocol."""
    return MalformedResponseError(
        f"Backend {backend!r} got an answer that is no chat completion: {str(data)[:200]}.",
        hint="Check that the base URL leads to an OpenAI-compatible server.",
        backend=backend,
        model_id=model_id,
    )
