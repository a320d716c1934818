"""What the server says in a line, or in a whole answer, as values of ours; checked where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from mellea.core.response import Chunk, Completion, Usage
from mellea_ollama.client import malformed_answer

__all__ = ["Part", "chunk_of", "completion_of", "text_of"]

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
    return Chunk(
        text=_text(said, "content", model_id),
        thinking=_text(said, "thinking", model_id),
        finish_reason=_text(part, "done_reason", model_id) or None,
        usage=_usage(part, model_id),
        response_model=_text(part, "model", model_id) or None,
        raw=part,
    )


def completion_of(part: Part, model_id: str) -> Completion:
    """Return what a whole answer says of a plain text.

    Raises:
        MalformedResponseError: It is not what the protocol says.
    """
    reason = _text(part, "done_reason", model_id) or None
    return Completion(_text(part, "response", model_id), reason, _usage(part, model_id))


def text_of(part: Part) -> str:
    """Return everything that the model wrote in a part, reasoning too."""
    said = part.get("message")
    fields = said if isinstance(said, dict) else part
    written = (fields.get(name) for name in ("thinking", "content", "response"))
    return "".join(text for text in written if isinstance(text, str))


def _text(fields: Mapping[str, Any], name: str, model_id: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise malformed_answer(f"{name} is no text", model_id)
    return value or ""


def _usage(part: Part, model_id: str) -> Usage | None:
    if not part.get("done"):
        return None
    counts = [part.get(name) or 0 for name in ("prompt_eval_count", "eval_count")]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise malformed_answer("a count of tokens is no number", model_id)
    return Usage(*counts)
