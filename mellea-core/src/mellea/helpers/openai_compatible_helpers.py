"""Messages and tool calls in the shape of OpenAI's chat completions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mellea.core.chat_completions import fragments_in, text_and_thinking, wire_messages
from mellea.core.document import Document
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message, merge_provider_fields
from mellea.core.response import Usage, as_usage
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool import named_tools
from mellea.core.tool_call import CallAssembler, ModelToolCall, openai_call
from mellea.core.tool_offer import UnknownToolWarning

__all__ = [
    "build_completion_usage",
    "build_tool_calls",
    "chat_completion_delta_merge",
    "extract_model_tool_requests",
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


def build_completion_usage(mot: ModelOutputThunk[Any]) -> Usage | None:
    """Return the tokens that an output took, under OpenAI's names; None if nobody counted them."""
    return as_usage(mot.generation.usage)


def extract_model_tool_requests(tools: Any, response: Any) -> list[ModelToolCall] | None:
    """Return the calls in an answer of OpenAI's shape; None without any.

    A call of a tool that is not there is left out, with a warning.

    Args:
        tools: The tools, in a list or by name.
        response: The answer, one of its choices, or a message.
    """
    choice = _choice_of(response)
    assembler = CallAssembler()
    assembler.feed(fragments_in(choice.get("message") or choice))
    calls = assembler.calls(named_tools(tools))
    for call in calls:
        if call.func is None:
            warnings.warn(str(call.problem), UnknownToolWarning, stacklevel=2)
    return [call for call in calls if call.func is not None] or None


def chat_completion_delta_merge(chunks: Iterable[Any]) -> dict[str, Any]:
    """Return the choice that the pieces of a stream come to, with its whole message.

    Args:
        chunks: The pieces, or the first choice of each.
    """
    choices = [choice for choice in map(_choice_of, chunks) if choice]
    deltas = [choice.get("delta") or {} for choice in choices]
    assembler = CallAssembler()
    for delta in deltas:
        assembler.feed(fragments_in(delta))
    parts = [text_and_thinking(delta.get("content")) for delta in deltas]
    thoughts = [delta.get("reasoning_content") or part[1] for delta, part in zip(deltas, parts, strict=True)]
    message: dict[str, Any] = {
        "role": next((delta["role"] for delta in deltas if delta.get("role")), "assistant"),
        "content": "".join(part[0] for part in parts) or None,
        "reasoning_content": "".join(thoughts) or None,
        "refusal": "".join(delta.get("refusal") or "" for delta in deltas) or None,
        "tool_calls": assembler.openai_calls() or None,
    }
    ends = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    return {
        "index": next((choice["index"] for choice in choices if "index" in choice), 0),
        "finish_reason": ends[-1] if ends else None,
        "message": {name: value for name, value in message.items() if value is not None or name == "content"},
    }


def _choice_of(answer: Any) -> Mapping[str, Any]:
    """Return the first choice of an answer, which may be an object of the SDK; a choice itself as it is."""
    plain = answer.model_dump() if hasattr(answer, "model_dump") else answer
    if "choices" not in plain:
        return plain  # type: ignore[no-any-return]
    return plain["choices"][0] if plain["choices"] else {}
