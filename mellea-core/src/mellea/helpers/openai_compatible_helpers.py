"""Messages and tool calls in the shape of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mellea.core.chat_completions import wire_messages
from mellea.core.document import Document
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message, merge_provider_fields
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import openai_call

__all__ = [
    "build_tool_calls",
    "has_tool_calls",
    "merge_provider_fields",
    "message_to_openai_message",
    "messages_to_docs",
    "should_replay_reasoning",
]


def message_to_openai_message(
    message: Message, formatter: ChatFormatter | None = None, *, replay_reasoning: bool = False
) -> dict[str, Any]:
    """Return a message in the shape of OpenAI's chat completions.

    Args:
        message: The message.
        formatter: Renders its documents; without one they are left out.
        replay_reasoning: Whether to send its reasoning back.

    Raises:
        UsageError: It holds audio by its address.
    """
    shown = message if formatter is None else formatter.to_chat_messages([message])[0]
    (wire,) = wire_messages([shown])
    if message.tool_calls and not message.content:
        wire["content"] = None
    wire.pop("reasoning_content", None)
    if replay_reasoning and message.thinking:
        wire["reasoning_content"] = message.thinking
    return wire


def should_replay_reasoning(messages: Sequence[Message], provider: str | None = None) -> list[bool]:
    """Return for each message whether its reasoning is sent back: of answers that reason and call tools."""
    return [bool(one.role == "assistant" and one.thinking and one.tool_calls) for one in messages]


def messages_to_docs(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Return the documents of messages, with what is known of each."""
    return [
        {
            name: value
            for name, value in (("text", one.text), ("title", one.title), ("doc_id", one.doc_id))
            if value is not None
        }
        for message in messages
        for one in message.documents or ()
        if isinstance(one, Document)
    ]


def has_tool_calls(mot: ModelOutputThunk[Any]) -> bool:
    """Tell whether an output calls tools."""
    return bool(mot.tool_calls)


def build_tool_calls(mot: ModelOutputThunk[Any]) -> list[dict[str, Any]] | None:
    """Return the calls of an output in the shape of OpenAI's chat completions; None without any."""
    return [openai_call(call, make_id=True) for call in mot.tool_calls or ()] or None
