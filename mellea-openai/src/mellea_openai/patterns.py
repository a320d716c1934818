"""How servers that speak OpenAI's protocol are told the pattern that a plain text is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from mellea.core import ChatRequest, OutputSchema
from mellea.core.openai_servers import LLAMA_CPP, OLLAMA, VLLM

__all__ = ["KEEP_IN_STRINGS", "KEEP_IN_TEXT", "as_property", "as_text", "pattern_of"]

KEEP_IN_STRINGS = frozenset({LLAMA_CPP, OLLAMA})
"""Owners of the models of servers that keep the pattern of a JSON string: llama.cpp's, and Ollama's."""

KEEP_IN_TEXT = frozenset({VLLM})
"""Owners of the models of servers that hold the text itself to a pattern."""


def pattern_of(request: ChatRequest) -> str | None:
    """Return the pattern that the text is held to, as it holds for the text itself; None without one."""
    return request.schema.plain_pattern if request.schema is not None else None


def as_text(request: ChatRequest, pattern: str) -> tuple[ChatRequest, Mapping[str, Any]]:
    """Return a request and its further fields for vLLM, which matches the whole text by itself."""
    bare = pattern.removeprefix("^").removesuffix("$")
    return evolve(request, schema=None), {"structured_outputs": {"regex": bare}}


def as_property(request: ChatRequest, pattern: str) -> ChatRequest:
    """Return a request for OpenAI's strict mode: the text is the one property of an object."""
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": pattern}},
        "required": ["text"],
        "additionalProperties": False,
    }
    return evolve(request, schema=OutputSchema("text", schema))
