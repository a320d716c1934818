"""A scripted provider that speaks the chat-completions protocol, which most servers do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from mellea.core.logprobs import TokenLogprob
from mellea.core.response import Usage
from mellea.testing.conformance.http_provider import HTTPProvider
from mellea.testing.conformance.provider import Answer
from mellea.testing.conformance.terms import Play

__all__ = ["ChatCompletionsProvider"]


class ChatCompletionsProvider(HTTPProvider):
    """A server at ``url + "/v1"``; for a backend that takes ``base_url``, ``api_key`` and ``model_id``."""

    plays: ClassVar[frozenset[Play]] = HTTPProvider.plays | {
        "embeddings",
        "key",
        "raw",
        "refusal",
        "samples",
        "thinking",
        "tools",
    }

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The model, the address and the key."""
        return {"model_id": "m", "base_url": f"{self.url}/v1", "api_key": self.key}

    @property
    def unreachable(self) -> Mapping[str, Any]:
        """The same with an address where nobody answers."""
        return {**self.arguments, "base_url": "http://127.0.0.1:9/v1"}

    def whole(self, request: Any, answer: Answer) -> Any:
        """Return a chat completion, a plain one, or vectors."""
        if request["path"].endswith("/embeddings"):
            return _embeddings(request["input"], answer.usage)
        texts = [answer.text, *answer.others]
        if request["path"].endswith("/chat/completions"):
            return _response(
                "chat.completion",
                [_whole_choice(place, text, answer) for place, text in enumerate(texts)],
                answer.usage,
            )
        prompts = request["prompt"]
        texts = [f"{answer.text}{said}" for said in ([prompts] if isinstance(prompts, str) else prompts)]
        return _response(
            "text_completion",
            [
                {"index": place, "text": text, "finish_reason": answer.finish_reason}
                for place, text in enumerate(texts)
            ],
            answer.usage,
        )

    def stream(self, request: Any, answer: Answer) -> Iterator[str]:
        """Iterate over the events of a streamed chat completion."""
        deltas: list[dict[str, Any]] = [{"role": "assistant"}]
        deltas += [{"reasoning_content": answer.thinking}] if answer.thinking else []
        deltas += [{"refusal": answer.refusal}] if answer.refusal else []
        deltas += [{"content": piece} for piece in answer.pieces if not answer.refusal]
        deltas += [{"tool_calls": [call]} for call in _calls(answer)]
        for delta in deltas:
            yield _event([{"index": 0, "delta": delta, "finish_reason": None}])
        if answer.ends != "whole":
            return
        ending = {"index": 0, "delta": {}, "finish_reason": answer.finish_reason}
        yield _event([{**ending, **_logprobs(answer)}])
        if answer.usage is not None:
            yield _event([], usage=_usage(answer.usage))
        yield "data: [DONE]\n\n"

    def failure(self, answer: Answer) -> Any:
        """Return the body of a failure."""
        return {"error": {"message": answer.words, "type": "fault", "code": None}}


def _embeddings(texts: list[str], usage: Usage | None) -> dict[str, Any]:
    """Return a vector for each text, of its length and 1, the last first: their places are told."""
    vectors = [
        {"object": "embedding", "index": place, "embedding": [float(len(text)), 1.0]}
        for place, text in enumerate(texts)
    ]
    told = {} if usage is None else {"usage": _usage(usage)}
    return {"object": "list", "model": "m", "data": vectors[::-1], **told}


def _whole_choice(place: int, text: str, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if answer.refusal else text}
    if answer.refusal:
        message["refusal"] = answer.refusal
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.tool_calls:
        message["tool_calls"] = _calls(answer)
    return {"index": place, "message": message, "finish_reason": answer.finish_reason, **_logprobs(answer)}


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "index": place,
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for place, (name, arguments) in enumerate(answer.tool_calls)
    ]


def _logprobs(answer: Answer) -> dict[str, Any]:
    if not answer.logprobs:
        return {}
    return {"logprobs": {"content": [_logprob(said) for said in answer.logprobs]}}


def _logprob(said: TokenLogprob) -> dict[str, Any]:
    alternatives = [
        {"token": other.token, "logprob": other.logprob, "bytes": list(other.token.encode())}
        for other in said.alternatives
    ]
    return {
        "token": said.token,
        "logprob": said.logprob,
        "bytes": list(said.token.encode()),
        "top_logprobs": alternatives,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}


def _response(kind: str, choices: list[dict[str, Any]], usage: Usage | None = None) -> dict[str, Any]:
    told = {} if usage is None else {"usage": _usage(usage)}
    return {"id": "c1", "object": kind, "created": 1, "model": "m", "choices": choices, **told}


def _event(choices: list[dict[str, Any]], **more: Any) -> str:
    event = {**_response("chat.completion.chunk", choices), **more}
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
