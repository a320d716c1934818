"""Requests of the OpenAI interface, said as the native interface has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.servers.ollama.errors import RejectedError

__all__ = ["native_chat", "native_completion"]

_NAMES = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_DEFAULTS = {"temperature": 1.0, "top_p": 1.0}
_EFFORTS = ("high", "medium", "low", "max", "none")
Body = Mapping[str, Any]


def native_chat(body: Body) -> dict[str, Any]:
    """Return a chat as ``/api/chat`` takes it.

    It has no word for ``truncate``: a prompt that is too long is always cut.

    Raises:
        RejectedError: The effort is a word that Ollama does not know.
    """
    passed = {name: body[name] for name in ("model", "tools", "logprobs", "top_logprobs") if body.get(name)}
    messages = [_message(message) for message in body.get("messages") or ()]
    return {**passed, "messages": messages, "options": _options(body), **_format(body), **_think(body)}


def native_completion(body: Body) -> dict[str, Any]:
    """Return a completion as ``/api/generate`` takes it.

    Raises:
        RejectedError: The prompt is not one text.
    """
    if not isinstance(prompt := body.get("prompt", ""), str):
        kind = "array" if isinstance(prompt, list) else "object"
        words = f"json: cannot unmarshal {kind} into Go struct field CompletionRequest.prompt of type string"
        raise RejectedError(400, words)
    passed = {name: body[name] for name in ("model", "suffix") if body.get(name)}
    return {**passed, "prompt": prompt, "options": _options(body)}


def _options(body: Body) -> dict[str, Any]:
    options = _DEFAULTS | {_NAMES[name]: body[name] for name in _NAMES if body.get(name) is not None}
    stop = body.get("stop")
    return options if stop is None else {**options, "stop": [stop] if isinstance(stop, str) else stop}


def _format(body: Body) -> dict[str, Any]:
    asked = body.get("response_format") or {}
    if asked.get("type") == "json_object":
        return {"format": "json"}
    return {"format": asked["json_schema"]["schema"]} if asked.get("type") == "json_schema" else {}


def _think(body: Body) -> dict[str, Any]:
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if effort is None:
        return {}
    if effort not in _EFFORTS:
        words = ", ".join(json.dumps(known) for known in _EFFORTS)
        raise RejectedError(400, f"invalid reasoning value: {json.dumps(effort)} (must be {words})")
    return {"think": False if effort == "none" else effort}


def _message(message: Body) -> dict[str, Any]:
    content, images = message.get("content") or "", []
    if isinstance(content, list):
        images = [part["image_url"] for part in content if part["type"] == "image_url"]
        content = "\n".join(part["text"] for part in content if part["type"] == "text")
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    return {
        "role": message["role"],
        "content": content,
        **({"thinking": message["reasoning"]} if message.get("reasoning") else {}),
        **({"images": [_image(image) for image in images]} if images else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def _image(image: Any) -> str:
    url: str = image["url"] if isinstance(image, Mapping) else image
    return url.rpartition(",")[2]


def _call(call: Body) -> dict[str, Any]:
    function = call["function"]
    return {
        "id": call.get("id"),
        "function": {**function, "arguments": json.loads(function["arguments"] or "{}")},
    }
