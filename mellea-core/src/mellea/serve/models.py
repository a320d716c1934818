"""Messages as a client of chat completions writes them, which a program's ``serve`` gets."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Discriminator

from mellea.core.blocks import AudioBlock, ImageBlock, ImageUrlBlock
from mellea.core.errors import UsageError
from mellea.core.message import Message

__all__ = [
    "ChatMessage",
    "ImageUrlContent",
    "InputAudioContent",
    "InputAudioData",
    "MessageContent",
    "TextContent",
]


class TextContent(BaseModel):
    """A text in a message."""

    type: Literal["text"] = "text"
    text: str


class ImageUrlContent(BaseModel):
    """An image in a message: ``image_url`` has its ``url``, an address or a data URI."""

    type: Literal["image_url"] = "image_url"
    image_url: dict[str, str]


class InputAudioData(BaseModel):
    """Audio as base64 text, and its format, such as ``wav``."""

    data: str
    format: str


class InputAudioContent(BaseModel):
    """Audio in a message."""

    type: Literal["input_audio"] = "input_audio"
    input_audio: InputAudioData


MessageContent: TypeAlias = TextContent | ImageUrlContent | InputAudioContent
"""A part of a message."""

_Part = Annotated[MessageContent, Discriminator("type")]


class ChatMessage(BaseModel):
    """A message of a conversation.

    Args:
        role: ``system``, ``user``, ``assistant``, ``tool`` or ``function``.
        content: The text, or its parts.
        name: Who writes it, where that is told; of a ``function`` message its function.
        tool_call_id: The call that a ``tool`` message answers.
        function_call: A call as clients of old write it.
        tool_calls: The calls that an ``assistant`` message asks for.

    Raises:
        ValidationError: It is something else.
    """

    role: Literal["system", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    function_call: dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None

    def get_text_content(self) -> str:
        """Return the text; of several parts the texts, with one blank between them."""
        if isinstance(self.content, str):
            return self.content
        return " ".join(part.text for part in self.content or () if isinstance(part, TextContent))

    def get_image_urls(self) -> list[str]:
        """Return the addresses and data URIs of the images, in their order."""
        return [part.image_url["url"] for part in self._images() if "url" in part.image_url]

    def get_image_blocks(self) -> list[ImageBlock | ImageUrlBlock]:
        """Return the images as blocks.

        Raises:
            UsageError: (a ValueError) One is no image, or has no address.
        """
        return [_image(part.image_url.get("url", "")) for part in self._images()]

    def get_audio_blocks(self) -> list[AudioBlock]:
        """Return the audio as blocks.

        Raises:
            UsageError: (a ValueError) One is no audio in base64.
        """
        parts = self.content if isinstance(self.content, list) else ()
        return [_audio(part.input_audio) for part in parts if isinstance(part, InputAudioContent)]

    def to_message(self) -> Message:
        """Return the message as contexts and verbs take it.

        Raises:
            UsageError: An image or audio in it is none.
        """
        return Message(
            "tool" if self.role == "function" else self.role,
            self.get_text_content(),
            images=self.get_image_blocks() or None,
            audio=self.get_audio_blocks() or None,
            tool_calls=list(self.tool_calls) if self.tool_calls else None,
            tool_call_id=self.tool_call_id,
            tool_name=self.name if self.role in ("tool", "function") else None,
        )

    def _images(self) -> list[ImageUrlContent]:
        parts = self.content if isinstance(self.content, list) else ()
        return [part for part in parts if isinstance(part, ImageUrlContent)]


def _image(url: str) -> ImageBlock | ImageUrlBlock:
    try:
        return ImageBlock(url) if url.startswith("data:") else ImageUrlBlock(url)
    except ValueError as error:
        what = "Invalid image data" if url.startswith("data:") else "Invalid image URL"
        raise _no_media(what, url, error) from error


def _audio(given: InputAudioData) -> AudioBlock:
    try:
        return AudioBlock(given.data, given.format)
    except ValueError as error:
        raise _no_media("Invalid audio data", given.data, error) from error


def _no_media(what: str, given: str, error: ValueError) -> UsageError:
    shown = given if len(given) <= 60 else f"{given[:50]}..."
    why = getattr(error, "message", "").split(":")[0].rstrip(".")
    return UsageError(
        f"{what} {shown!r}{f': {why}' if why else ''}.",
        hint="Send an http(s) address, or a data URI with base64 data.",
    )
