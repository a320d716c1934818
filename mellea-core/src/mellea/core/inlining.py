"""Media by their address, put into the request by value, for providers that do not fetch."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from typing import Any

from attrs import evolve

from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock, ImageUrlBlock
from mellea.core.event_loop import gather_or_cancel
from mellea.core.fetching import fetch
from mellea.core.message import Message

__all__ = ["inlined"]


async def inlined(messages: Iterable[Message], *, images: bool = True) -> tuple[Message, ...]:
    """Return messages with what they hold by its address fetched: audio, and images.

    Addresses lead to public hosts only, and size and time are bounded: see ``fetch``.

    Args:
        messages: The conversation.
        images: Whether images are fetched too; providers that fetch them are told the address.

    Raises:
        UsageError: Something cannot be fetched, or is no image.
    """
    messages = tuple(messages)
    kinds: Any = (ImageUrlBlock, AudioUrlBlock) if images else AudioUrlBlock
    found = [
        str(block)
        for message in messages
        for block in (*(message.images or ()), *(message.audio or ()))
        if isinstance(block, kinds)
    ]
    if not found:
        return messages
    addresses = list(dict.fromkeys(found))
    data = await gather_or_cancel(asyncio.to_thread(fetch, address) for address in addresses)
    known = dict(zip(addresses, data, strict=True))
    return tuple(_with_values(message, known) for message in messages)


def _with_values(message: Message, known: dict[str, bytes]) -> Message:
    images = message.images and [
        ImageBlock.from_bytes(known[str(image)], image.meta) if str(image) in known else image
        for image in message.images
    ]
    audio = message.audio and [
        AudioBlock(base64.b64encode(known[str(sound)]).decode(), sound.format, sound.meta)
        if isinstance(sound, AudioUrlBlock)
        else sound
        for sound in message.audio
    ]
    return evolve(message, images=images, audio=audio)
