"""Prompts, answers and calls of tools as the conventions write them: JSON, without the secrets in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mellea.core.message import Message
from mellea.core.redaction import redacted
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.thunk import ModelOutputThunk

__all__ = ["as_json", "input_content", "output_content"]


def as_json(value: Any) -> str:
    """Return a value as JSON, what it cannot hold in words."""
    return json.dumps(redacted(value), ensure_ascii=False, default=repr)


def input_content(request: ChatRequest | CompletionRequest | None) -> dict[str, str]:
    """Return what was sent; nothing where nobody knows."""
    if request is None:
        return {}
    if isinstance(request, CompletionRequest):
        told = [{"role": "user", "parts": [_text(prompt)]} for prompt in request.prompts]
        return {"gen_ai.input.messages": as_json(told)}
    known = {"gen_ai.input.messages": as_json([_message(message) for message in request.messages])}
    if request.tools:
        known["gen_ai.tool.definitions"] = as_json(
            [{"type": "function", "name": tool.name} for tool in request.tools]
        )
    return known


def output_content(outputs: Iterable[ModelOutputThunk[Any]]) -> dict[str, str]:
    """Return what was answered."""
    return {"gen_ai.output.messages": as_json([_answer(output) for output in outputs])}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "content": words}


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        answered = {"type": "tool_call_response", "id": message.tool_call_id, "response": message.content}
        return {"role": "tool", "parts": [answered]}
    parts: list[dict[str, Any]] = [_text(message.content)] if message.content else []
    parts += [{"type": "image"} for _ in message.images or ()]
    parts += [{"type": "audio"} for _ in message.audio or ()]
    parts += [_call(call) for call in message.tool_calls or ()]
    return {"role": message.role, "parts": parts}


def _answer(output: ModelOutputThunk[Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if output.thinking:
        parts.append({"type": "reasoning", "content": output.thinking})
    if output.value:
        parts.append(_text(str(output.value)))
    parts += [_call(call) for call in output.asked_calls or ()]
    reasons = output.generation.finish_reasons
    return {"role": "assistant", "parts": parts, "finish_reason": reasons[-1] if reasons else "stop"}


def _call(call: Any) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": getattr(call, "id", None),
        "name": getattr(call, "name", ""),
        "arguments": getattr(call, "args", None),
    }
