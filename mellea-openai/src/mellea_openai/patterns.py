"""How servers that speak OpenAI's protocol are told the pattern that a plain text is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from mellea.core import ChatRequest, OutputSchema
from mellea.core.openai_servers import LLAMA_CPP, OLLAMA, VLLM
from mellea.core.steering.grammar import grammar_of

__all__ = ["KEEP_IN_STRINGS", "KEEP_IN_TEXT", "as_property", "as_text", "pattern_of"]

KEEP_IN_STRINGS = frozenset({OLLAMA})
"""Owners of the models of servers that keep the pattern of a JSON string: Ollama's."""

KEEP_IN_TEXT = frozenset({LLAMA_CPP, VLLM})
"""Owners of the models of servers that hold the text itself to a pattern, or to a grammar."""


def pattern_of(request: ChatRequest) -> str | None:
    """Return the pattern that the text is held to, as it holds for the text itself; None without one."""
    return request.schema.plain_pattern if request.schema is not None else None


def as_text(request: ChatRequest, pattern: str, owner: str) -> tuple[ChatRequest, Mapping[str, Any]]:
    """Return a request and its further fields for a server that holds the text itself.

    llama.cpp's takes a grammar. vLLM takes the pattern, which it matches with the whole text by itself.
    """
    request = evolve(request, schema=None)
    if owner == LLAMA_CPP:
        return request, {"grammar": grammar_of(pattern)}
    return request, {"structured_outputs": {"regex": pattern.removeprefix("^").removesuffix("$")}}


def as_property(request: ChatRequest, pattern: str) -> ChatRequest:
    """Return a request for OpenAI's strict mode: the text is the one property of an object."""
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": pattern}},
        "required": ["text"],
        "additionalProperties": False,
    }
    return evolve(request, schema=OutputSchema("text", schema))
