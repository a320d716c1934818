"""What the server says in a line, or in a whole answer, as values of ours; checked where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from mellea.core.chat_completions import text_and_thinking, usage_from
from mellea.core.logprobs import TokenLogprob, logprobs_from
from mellea.core.response import Chunk, Completion, EmbeddingResponse, Usage
from mellea.core.tool_call import ToolCallFragment
from mellea_ollama.client import malformed_answer

__all__ = ["Part", "calls_in", "chunk_of", "completion_of", "embeddings_of", "text_of"]

Part: TypeAlias = "Mapping[str, Any]"
"""A line of a stream, or a whole answer."""


def chunk_of(part: Part, model_id: str) -> Chunk:
    """Return what a line of a conversation says.

    Raises:
        MalformedResponseError: It is not what the protocol says.
    """
    said = part.get("message")
    if not isinstance(said, dict):
        raise malformed_answer("a line has no message", model_id)
    text, thinking = _content(said, model_id)
    return Chunk(
        text=text,
        thinking=_text(said, "thinking", model_id) or thinking,
        finish_reason=_text(part, "done_reason", model_id) or None,
        usage=_usage(part),
        response_model=_text(part, "model", model_id) or None,
        raw=part,
        logprobs=_logprobs(part, model_id),
        tool_calls=_tool_calls(said, model_id),
    )


def completion_of(part: Part, model_id: str) -> Completion:
    """Return what a whole answer says of a plain text.

    Raises:
        MalformedResponseError: It is not what the protocol says.
    """
    reason = _text(part, "done_reason", model_id) or None
    text = _text(part, "response", model_id)
    return Completion(text, reason, _usage(part), _logprobs(part, model_id))


def embeddings_of(answer: Part, model_id: str) -> EmbeddingResponse:
    """Return the vectors in an answer.

    Raises:
        MalformedResponseError: There are none.
    """
    vectors = answer.get("embeddings")
    if not isinstance(vectors, list):
        raise malformed_answer("an answer has no embeddings", model_id)
    read = {"prompt_tokens": answer.get("prompt_eval_count"), "completion_tokens": 0}
    return EmbeddingResponse(vectors, usage_from(read))


def text_of(part: Part, model_id: str) -> str:
    """Return everything that the model wrote in a part, reasoning too.

    Raises:
        MalformedResponseError: It is no text, or no part of an answer.
    """
    said = part.get("message", part if "response" in part else None)
    if not isinstance(said, dict):
        raise malformed_answer("a line has no message", model_id)
    written = (*_content(said, model_id), *(_text(said, name, model_id) for name in ("thinking", "response")))
    return "".join(written)


def calls_in(part: Part) -> bool:
    """Tell whether a part holds calls of tools."""
    said = part.get("message")
    return isinstance(said, dict) and bool(said.get("tool_calls"))


def _tool_calls(said: Mapping[str, Any], model_id: str) -> tuple[ToolCallFragment, ...]:
    """Return the calls in a line; each comes whole."""
    try:
        return tuple(_fragment(call, place) for place, call in enumerate(said.get("tool_calls") or ()))
    except (AttributeError, TypeError) as wrong:
        raise malformed_answer("a tool call is none", model_id) from wrong


def _fragment(call: Mapping[str, Any], place: int) -> ToolCallFragment:
    function = call.get("function") or {}
    index = function.get("index")
    number = index if type(index) is int else place
    return ToolCallFragment(
        number, call.get("id"), function.get("name") or "", function.get("arguments") or {}
    )


def _content(said: Mapping[str, Any], model_id: str) -> tuple[str, str]:
    try:
        return text_and_thinking(said.get("content"))
    except (AttributeError, TypeError) as wrong:
        raise malformed_answer("content is no text", model_id) from wrong


def _text(fields: Mapping[str, Any], name: str, model_id: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise malformed_answer(f"{name} is no text", model_id)
    return value or ""


def _logprobs(part: Part, model_id: str) -> tuple[TokenLogprob, ...]:
    try:
        return logprobs_from(part.get("logprobs"))
    except TypeError as wrong:
        raise malformed_answer(str(wrong), model_id) from wrong


def _usage(part: Part) -> Usage | None:
    if not part.get("done"):
        return None
    counts = {"prompt_tokens": part.get("prompt_eval_count"), "completion_tokens": part.get("eval_count")}
    return usage_from(counts)
