"""What a backend is asked: a conversation to continue, or plain texts to complete or to embed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from attrs import field, frozen

from mellea.core.message import Message
from mellea.core.schema import OutputSchema
from mellea.core.tool import Tool

__all__ = ["ChatRequest", "CompletionRequest", "EmbeddingRequest"]


@frozen
class ChatRequest:
    """A conversation to continue, in the provider's own option names.

    Args:
        model_id: The model, as the provider names it.
        messages: The conversation, oldest first, rendered to text.
        options: Provider options, already translated.
        schema: What the output must look like; only for a backend that declares ``JSON_SCHEMA``.
        stream: Whether pieces are wanted as they come. When False, one chunk with everything is best.
        n: How many answers to draw; more than one only for a backend that declares ``N_SAMPLES``.
        tools: What the model may call; only for a backend that declares ``TOOLS``.
        tool_choice: ``auto``, ``required``, ``none``, or the name of the tool that has to be called.
        adapter: The adapter that answers; only for a backend that declares ``ADAPTERS``.
    """

    model_id: str
    messages: tuple[Message, ...]
    options: Mapping[str, Any] = field(factory=dict)
    schema: OutputSchema | None = None
    stream: bool = False
    n: int = 1
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    adapter: str | None = None

    def with_messages(self, messages: Iterable[Message]) -> Self:
        """Return the request with another conversation."""
        return type(self)(
            self.model_id,
            tuple(messages),
            self.options,
            self.schema,
            self.stream,
            self.n,
            self.tools,
            self.tool_choice,
            self.adapter,
        )


@frozen
class CompletionRequest:
    """Plain texts to complete, without a chat template.

    Args:
        model_id: The model, as the provider names it.
        prompts: The texts.
        options: Provider options, already translated.
        schema: What each output must look like.
        adapter: The adapter that completes; only for a backend that declares ``ADAPTERS``.
    """

    model_id: str
    prompts: tuple[str, ...]
    options: Mapping[str, Any] = field(factory=dict)
    schema: OutputSchema | None = None
    adapter: str | None = None


@frozen
class EmbeddingRequest:
    """Plain texts to give a vector each.

    Args:
        model_id: The model, as the provider names it.
        prompts: The texts; at least one, and none of them empty.
        dimensions: The length of the vectors, for models that can shorten them; None for the model's own.
    """

    model_id: str
    prompts: tuple[str, ...]
    dimensions: int | None = None
