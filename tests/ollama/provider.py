"""A scripted provider that speaks Ollama's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mellea.testing.conformance import Answer, HTTPProvider

__all__ = ["OllamaProvider"]


class OllamaProvider(HTTPProvider):
    """A server with one model, which can do everything."""

    plays = HTTPProvider.plays | {"embeddings", "raw", "thinking", "tools"}
    content_type = "application/x-ndjson"

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"model_id": "m", "base_url": self.url}

    @property
    def unreachable(self) -> Mapping[str, Any]:
        return {**self.arguments, "base_url": "http://127.0.0.1:9"}

    def known(self, method: str, path: str, request: Any) -> Any:
        able = ["completion", "vision", "thinking", "tools"]
        if path.endswith("/api/show"):  # LiteLLM asks below the address that it posts to
            return {"capabilities": able}
        if path != "/api/tags":
            return None
        return {"models": [{"name": "m:latest", "model": "m:latest", "size": 1, "capabilities": able}]}

    def is_streamed(self, request: Any) -> bool:
        return request.get("stream", "input" not in request)

    def whole(self, request: Any, answer: Answer) -> Any:
        if request["path"] == "/api/embed":
            return {"model": "m", "embeddings": [[len(text), 1.0] for text in request["input"]]}
        if request["path"] == "/api/generate":
            text = f"{answer.text}{request['prompt']}"
            return {"model": "m", "response": text, **_end(answer)}
        return {"model": "m", "message": _message(answer, answer.text, answer.thinking), **_end(answer)}

    def stream(self, request: Any, answer: Answer) -> Iterator[str]:
        if answer.thinking:
            yield _line(_message(Answer(""), "", answer.thinking))
        for piece in answer.pieces:
            yield _line(_message(Answer(""), piece))
        if answer.ends == "whole":
            yield _line(_message(answer, ""), **_end(answer))

    def failure(self, answer: Answer) -> Any:
        return {"error": answer.words}


def _message(answer: Answer, text: str, thinking: str = "") -> dict[str, Any]:
    calls = [
        {"id": f"call_{place}", "function": {"index": place, "name": name, "arguments": dict(arguments)}}
        for place, (name, arguments) in enumerate(answer.tool_calls)
    ]
    told = {"role": "assistant", "content": text}
    return {
        **told,
        **({"thinking": thinking} if thinking else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def _end(answer: Answer) -> dict[str, Any]:
    read, written = (answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else (0, 0)
    return {
        "done": True,
        "done_reason": answer.finish_reason,
        "prompt_eval_count": read,
        "eval_count": written,
    }


def _line(message: Any, **more: Any) -> str:
    line = {"model": "m", "message": message, "done": False, **more}
    return f"{json.dumps(line, ensure_ascii=False)}\n"
