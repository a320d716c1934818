"""What a provider answered, as JSON values and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, fields

from mellea.core.logprobs import logprobs_from, logprobs_to_json
from mellea.core.response import Chunk, Completion, Usage
from mellea.core.tool_call import ToolCallFragment

__all__ = [
    "answer_to_json",
    "chunk_from_json",
    "chunk_to_json",
    "completion_from_json",
    "completion_to_json",
]

_OTHERWISE = {"usage", "raw", "logprobs", "tool_calls"}
_CHUNK_FIELDS = tuple(each.name for each in fields(Chunk) if each.name not in _OTHERWISE)
_USAGE_FIELDS = tuple(each.name for each in fields(Usage))


def answer_to_json(answer: Chunk | Completion) -> dict[str, Any]:
    """Return a chunk or a completion as JSON."""
    return chunk_to_json(answer) if isinstance(answer, Chunk) else completion_to_json(answer)


def chunk_to_json(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk as JSON, without the provider's raw values."""
    kept = {name: value for name in _CHUNK_FIELDS if (value := getattr(chunk, name))}
    if chunk.logprobs:
        kept["logprobs"] = logprobs_to_json(chunk.logprobs)
    if chunk.tool_calls:
        kept["tool_calls"] = [_fragment_to_json(fragment) for fragment in chunk.tool_calls]
    return kept if chunk.usage is None else {**kept, "usage": _usage_to_json(chunk.usage)}


def _fragment_to_json(fragment: ToolCallFragment) -> dict[str, Any]:
    given = fragment.arguments
    return {**asdict(fragment), "arguments": given if isinstance(given, str) else dict(given)}


def chunk_from_json(kept: Mapping[str, Any]) -> Chunk:
    """Return a chunk that was kept as JSON."""
    return Chunk(
        **{name: kept[name] for name in _CHUNK_FIELDS if name in kept},
        usage=_usage_from_json(kept.get("usage")),
        logprobs=logprobs_from(kept.get("logprobs")),
        tool_calls=tuple(ToolCallFragment(**fragment) for fragment in kept.get("tool_calls", ())),
    )


def completion_to_json(completion: Completion) -> dict[str, Any]:
    """Return a completion as JSON."""
    usage = None if completion.usage is None else _usage_to_json(completion.usage)
    known = {"text": completion.text, "finish_reason": completion.finish_reason, "usage": usage}
    return {**known, "logprobs": logprobs_to_json(completion.logprobs)} if completion.logprobs else known


def completion_from_json(kept: Mapping[str, Any]) -> Completion:
    """Return a completion that was kept as JSON."""
    usage, logprobs = _usage_from_json(kept.get("usage")), logprobs_from(kept.get("logprobs"))
    return Completion(kept["text"], kept.get("finish_reason"), usage, logprobs)


def _usage_to_json(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in _USAGE_FIELDS}


def _usage_from_json(kept: Mapping[str, int] | None) -> Usage | None:
    return None if kept is None else Usage(**{key: int(value) for key, value in kept.items()})
