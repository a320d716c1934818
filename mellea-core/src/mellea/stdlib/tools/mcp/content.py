"""What MCP servers send, as values of this project."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Self

from attrs import frozen

from mellea.core.blocks import ImageBlock
from mellea.core.message import Message
from mellea.core.sources import Sources

__all__ = ["MCPPrompt", "MCPResource", "as_message", "contents_of", "result_text"]


@frozen
class MCPResource:
    """Something that a server has to read.

    Args:
        uri: Its address, or a template of addresses, as in ``file:///{path}``.
        name: Its name.
        description: What it is, in words.
        mime_type: The type of its contents, if the server says so.
        is_template: Whether the address is a template.
    """

    uri: str
    name: str
    description: str = ""
    mime_type: str | None = None
    is_template: bool = False

    @classmethod
    def of(cls, entry: Any) -> Self:
        """Return the value for an entry of a server's list."""
        shaped = hasattr(entry, "uri_template")
        address = entry.uri_template if shaped else entry.uri
        return cls(address, entry.name, entry.description or "", entry.mime_type, shaped)


@frozen
class MCPPrompt:
    """A prompt that a server has.

    Args:
        name: Its name.
        description: What it is for, in words.
        required: The arguments that it needs.
        optional: The arguments that it takes besides.
    """

    name: str
    description: str = ""
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: Any) -> Self:
        """Return the value for an entry of a server's list."""
        named = [(argument.name, bool(argument.required)) for argument in entry.arguments or ()]
        required = tuple(name for name, needed in named if needed)
        optional = tuple(name for name, needed in named if not needed)
        return cls(entry.name, entry.description or "", required, optional)


def result_text(result: Any) -> str:
    """Return the result of a tool as the model reads it: a line for what is no text."""
    if not result.content and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(map(_as_text, result.content))


def contents_of(contents: Iterable[Any]) -> str | bytes:
    """Return what a resource holds: its texts joined, or the bytes of the first part that is no text."""
    parts = list(contents)
    binary = next((part.blob for part in parts if hasattr(part, "blob")), None)
    return "\n".join(part.text for part in parts) if binary is None else base64.b64decode(binary)


def as_message(message: Any, server: str) -> Message:
    """Return a message of a prompt that a server has."""
    sources = Sources.of("mcp", server)
    if message.content.type == "image":
        return Message(
            message.role, images=[ImageBlock(message.content.data, sources=sources)], sources=sources
        )
    return Message(message.role, _as_text(message.content), sources=sources)


def _as_text(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource":
            held = block.resource
            return str(getattr(held, "text", None) or f"[resource: {held.uri}]")
        case "resource_link":
            return f"[resource: {block.uri}]"
        case kind:
            return f"[{kind}: {block.mime_type}]"
