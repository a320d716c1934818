"""Files of images and sounds: what they are, by their content, and fetched by their address."""

from __future__ import annotations

import base64
import functools
import io

from mellea.core.errors import UsageError
from mellea.core.fetching import fetch
from mellea.core.image_header import check_pixels
from mellea.core.redaction import redacted

__all__ = ["audio_format", "fetch_png"]


@functools.lru_cache(maxsize=16)
def fetch_png(address: str) -> str:
    """Return the image at an address as a PNG file in base64.

    Raises:
        UsageError: As for ``fetch``; or it is no image, has too many pixels, or is no PNG, and Pillow, which
            converts it, is not installed.
    """
    data = fetch(address)
    check_pixels(data)
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        try:
            from PIL import Image  # noqa: PLC0415  no dependency: only what is no PNG needs it
        except ImportError as error:
            raise UsageError(
                f"{redacted(address)!r} is no PNG.", hint="Install Pillow to convert it: pip install pillow"
            ) from error
        buffer = io.BytesIO()
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.save(buffer, format="PNG")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UsageError(f"{redacted(address)!r} is no image: {error}.", hint="Look at it.") from error
        data = buffer.getvalue()
    return base64.b64encode(data).decode()


def audio_format(data: bytes) -> str | None:
    """Return the short name of a sound file's format, told by its first bytes; None when they do not."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[4:8] == b"ftyp":
        return "m4a"
    for magic, name in ((b"ID3", "mp3"), (b"fLaC", "flac"), (b"OggS", "ogg"), (b"\x1aE\xdf\xa3", "webm")):
        if data.startswith(magic):
            return name
    if data[:4] == b"FORM" and data[8:11] == b"AIF":
        return "aiff"
    if len(data) > 1 and data[0] == 0xFF:
        if data[1] & 0xF6 == 0xF0:
            return "aac"
        if data[1] & 0xE0 == 0xE0 and data[1] & 0x06:
            return "mp3"
    return None
