"""Requests as JSON values, canonical and without secrets: what tells one request from another."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import fields

from mellea.core.blocks import AudioBlock, ImageBlock
from mellea.core.message import Message
from mellea.core.options import ModelOption, merge_options
from mellea.core.redaction import redacted, secrets_within
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.tool import Tool
from mellea.core.tool_call import call_fields

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI

__all__ = [
    "canonical",
    "chat_request",
    "completion_request",
    "count_request",
    "draws_the_same",
    "key_of",
    "named_request",
    "request_key",
    "without_secrets",
    "without_secrets_in_text",
]


def chat_request(request: ChatRequest) -> dict[str, Any]:
    """Return what tells a chat request from another one. Whether it streams does not."""
    asked = {
        "model": request.model_id,
        "messages": _messages(request.messages),
        "options": without_secrets(request.options),
    }
    return {**asked, **_rest(request)}


def completion_request(request: CompletionRequest) -> dict[str, Any]:
    """Return what tells a request for plain completion from another one."""
    asked = {
        "model": request.model_id,
        "prompts": list(request.prompts),
        "options": without_secrets(request.options),
    }
    return {**asked, **_rest(request)}


def _rest(request: ChatRequest | CompletionRequest) -> dict[str, Any]:
    """Return the schema, and whatever else a request may come to hold."""
    rest = {} if request.schema is None else {"schema": _plain(request.schema.json_schema)}
    for name, default in _defaults(type(request)):  # type: ignore[arg-type]  # a class can be hashed
        if (value := getattr(request, name)) != default:
            rest[name] = _plain(value)
    return rest


@cache
def _defaults(kind: type) -> Sequence[tuple[str, Any]]:
    """Return the fields of a kind of requests that are told only where they are not at their default."""
    told = {"model_id", "messages", "prompts", "options", "schema", "stream"}
    return [(each.name, each.default) for each in fields(kind) if each.name not in told]


def count_request(model_id: str, messages: Iterable[Message]) -> dict[str, Any]:
    """Return what tells a request to count tokens from another one."""
    return {"model": model_id, "messages": _messages(messages)}


def request_key(backend: ModelAPI, request: ChatRequest | CompletionRequest) -> str:
    """Return what names a request to a backend: a digest of all that may change its answer.

    That is the provider and its address, the model, the prompt, the schema, the tools and the options, those
    of every call included, under their common names. Secrets do not count, nor whether it streams.

    Args:
        backend: What is asked.
        request: What it is asked.
    """
    return key_of(named_request(backend, request))


def named_request(backend: ModelAPI, request: ChatRequest | CompletionRequest) -> dict[str, Any]:
    """Return what ``request_key`` is a digest of, as JSON values."""
    return {
        "kind": "chat" if isinstance(request, ChatRequest) else "completion",
        "provider": backend.provider,
        "address": str(getattr(backend, "base_url", "")),
        **(chat_request(request) if isinstance(request, ChatRequest) else completion_request(request)),
        "model": backend.model_id,
        "options": without_secrets(_all_options(backend, request)),
    }


def key_of(named: Mapping[str, Any]) -> str:
    """Return the key of what ``named_request`` gives."""
    return hashlib.sha256(canonical(named).encode()).hexdigest()


def draws_the_same(named: Mapping[str, Any]) -> bool:
    """Return whether a request has the same answer each time: it has a seed, or a temperature of 0.

    Args:
        named: What ``named_request`` gives.
    """
    options = named["options"]
    return options.get(ModelOption.SEED) is not None or options.get(ModelOption.TEMPERATURE) == 0


def _all_options(backend: ModelAPI, request: ChatRequest | CompletionRequest) -> dict[str, Any]:
    """Return the options of a request over those of every call, under their common names."""
    if not request.options and not backend.model_options:
        return {}
    table = backend.options
    common = {own: name for name, own in table.names.items() if isinstance(own, str)}
    asked = {common.get(name, name): value for name, value in table.canonical(request.options).items()}
    return merge_options(table.canonical(backend.model_options), asked)


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical(value: object) -> str:
    """Return the one JSON text of a JSON value."""
    return _canonical(value)


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [_message(message) for message in messages]


def _message(message: Message) -> dict[str, Any]:
    """Return a message as JSON; images and sounds are told by a digest."""
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        told["images"] = [
            _digest(image.base64_data) if isinstance(image, ImageBlock) else str(image)
            for image in message.images
        ]
    if message.audio:
        told["audio"] = [
            _digest(str(audio).rpartition(",")[2]) if isinstance(audio, AudioBlock) else str(audio)
            for audio in message.audio
        ]
    if message.tool_calls:
        told["tool_calls"] = [
            {"name": name, "args": _plain(arguments), "id": known}
            for known, name, arguments in map(call_fields, message.tool_calls)
        ]
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.thinking:
        told["thinking"] = message.thinking
    return told


def _digest(encoded: str) -> str:
    return f"sha256:{hashlib.sha256(base64.b64decode(encoded)).hexdigest()}"


def _plain(value: Any) -> Any:
    """Return a value as JSON.

    A tool is told by what the model sees of it. What else JSON cannot hold is told by its type, since its
    repr may name an address.
    """
    if isinstance(value, Tool):
        return _plain(value.json_form())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=canonical)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # a temperature of 0.0 is one of 0
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return f"<{type(value).__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}>"


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON, without the values of keys, tokens, passwords and headers at any depth."""
    cleaned: dict[str, Any] = redacted(_plain(options)) if options else {}
    return cleaned


def without_secrets_in_text(text: str, holder: object) -> str:
    """Return a message without what looks like a key or is a secret of the environment or the backend."""
    return redacted(text, [*secrets_within(os.environ), *secrets_within(getattr(holder, "__dict__", {}))])
