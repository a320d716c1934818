"""The OpenAI interface of Ollama's server.

Its requests said in the native interface's words, and the answers back.
"""

from __future__ import annotations

import base64
import json
import struct
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.servers.ollama import embedding
from tests.servers.ollama.answers import Answers
from tests.servers.ollama.errors import RejectedError
from tests.servers.ollama.openai_requests import native_chat, native_completion
from tests.servers.ollama.requests import read_body
from tests.servers.ollama.sending import Form, Part, send

if TYPE_CHECKING:
    from tests.servers.ollama import OllamaServer

__all__ = ["add_routes", "error"]

_KINDS = {400: "invalid_request_error", 404: "not_found_error"}
_ids = count(1)


def error(message: str, status: int) -> Part:
    """Return an error as this interface has it."""
    return {
        "error": {"message": message, "type": _KINDS.get(status, "api_error"), "param": None, "code": None}
    }


def add_routes(app: web.Application, server: OllamaServer, answers: Callable[[], Answers]) -> None:
    """Add the interface to an application.

    Args:
        app: The application.
        server: Knows the models, and what a test has ordered.
        answers: Gives what answers, once the application has started.
    """

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await read_body(request)
        server.record(request.path, body)
        fault = server.take_fault(request.path)
        parts = await answers().chat(native_chat(body))
        return await send(request, parts, fault, _chat_form(body), stream=body.get("stream") is True)

    async def completions(request: web.Request) -> web.StreamResponse:
        body = await read_body(request)
        server.record(request.path, body)
        fault = server.take_fault(request.path)
        parts = await answers().generate(native_completion(body))
        return await send(request, parts, fault, _text_form(body), stream=body.get("stream") is True)

    async def embeddings(request: web.Request) -> web.StreamResponse:
        body = await read_body(request)
        server.record(request.path, body)
        server.take_fault(request.path)
        return web.json_response(_embeddings(body, await embedding.embedded(answers(), body)))

    async def models(request: web.Request) -> web.StreamResponse:
        server.record(request.path, {})
        server.take_fault(request.path)
        return web.json_response({"object": "list", "data": [_model(name) for name in server.models]})

    async def model(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if server.capabilities_of(name) is None:
            raise RejectedError(404, f"model '{name}' not found")
        return web.json_response(_model(name))

    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/completions", completions)
    app.router.add_post("/v1/embeddings", embeddings)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/models/{name:.+}", model)


def _chat_form(body: Mapping[str, Any]) -> Form:
    head, begun = _head(body, "chatcmpl", "chat.completion.chunk"), False

    def line(part: Part) -> bytes:
        nonlocal begun
        role, begun = ({} if begun else {"role": "assistant"}), True
        if not part["done"]:
            choice = {"index": 0, "delta": {**role, **_message(part)}, "finish_reason": None, **_scores(part)}
            head["called"] = head.get("called", False) or "tool_calls" in part["message"]
            return _event(head, [choice])
        choice = {"index": 0, "delta": {}, "finish_reason": _reason(part, called=bool(head.get("called")))}
        return _event(head, [choice]) + _usage_event(head, body, part)

    def whole(part: Part) -> Part:
        message = {"role": "assistant", **_message(part)}
        reason = _reason(part, called="tool_calls" in message)
        choice = {"index": 0, "message": message, "finish_reason": reason, **_scores(part)}
        return {**_head(body, "chatcmpl", "chat.completion"), "choices": [choice], "usage": _usage(part)}

    return Form("text/event-stream", line, whole, error, last=b"data: [DONE]\n\n")


def _text_form(body: Mapping[str, Any]) -> Form:
    head = _head(body, "cmpl", "text_completion")

    def choice(part: Part) -> Part:
        return {"text": part["response"], "index": 0, "finish_reason": _reason(part, called=False)}

    def line(part: Part) -> bytes:
        return _event(head, [choice(part)]) + (_usage_event(head, body, part) if part["done"] else b"")

    def whole(part: Part) -> Part:
        return {**head, "choices": [choice(part)], "usage": _usage(part)}

    return Form("text/event-stream", line, whole, error, last=b"data: [DONE]\n\n")


def _head(body: Mapping[str, Any], kind: str, name: str) -> Part:
    known = {"created": int(time.time()), "model": body["model"], "system_fingerprint": "fp_ollama"}
    return {"id": f"{kind}-{next(_ids)}", "object": name, **known}


def _event(head: Part, choices: list[Part], **more: Any) -> bytes:
    event = {**{name: value for name, value in head.items() if name != "called"}, "choices": choices, **more}
    return f"data: {json.dumps(event)}\n\n".encode()


def _usage_event(head: Part, body: Mapping[str, Any], part: Part) -> bytes:
    wanted = (body.get("stream_options") or {}).get("include_usage")
    return _event(head, [], usage=_usage(part)) if wanted else b""


def _message(part: Part) -> Part:
    message = part["message"]
    thought = {"reasoning": message["thinking"]} if "thinking" in message else {}
    calls = {"tool_calls": [_call(call) for call in message["tool_calls"]]} if "tool_calls" in message else {}
    return {"content": message["content"], **thought, **calls}


def _call(call: Mapping[str, Any]) -> Part:
    function = {
        "name": call["function"]["name"],
        "arguments": json.dumps(call["function"]["arguments"], separators=(",", ":")),
    }
    return {"id": call["id"], "index": call["function"]["index"], "type": "function", "function": function}


def _scores(part: Part) -> Part:
    return {"logprobs": {"content": part["logprobs"]}} if "logprobs" in part else {}


def _reason(part: Part, *, called: bool) -> str | None:
    return "tool_calls" if called and part.get("done") else part.get("done_reason")


def _usage(part: Part) -> Part:
    prompt, text = part.get("prompt_eval_count", 0), part.get("eval_count", 0)
    return {"prompt_tokens": prompt, "completion_tokens": text, "total_tokens": prompt + text}


def _embeddings(body: Mapping[str, Any], answer: Part) -> Part:
    packed = body.get("encoding_format") == "base64"
    vectors = [_packed(vector) if packed else vector for vector in answer["embeddings"]]
    data = [
        {"object": "embedding", "embedding": vector, "index": index} for index, vector in enumerate(vectors)
    ]
    tokens = answer.get("prompt_eval_count", 0)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": answer["model"], "usage": usage}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _model(name: str) -> Part:
    return {"id": name, "object": "model", "created": int(time.time()), "owned_by": "library"}
