"""Fetching images and audio by their address, and telling what they are.

What an address leads to is written by somebody else: only public hosts are asked, no redirect leads
elsewhere, and size and time are bounded.
"""

from __future__ import annotations

import base64
import functools
import io
import urllib.request
from typing import Any

from mellea.core.addresses import check_public
from mellea.core.errors import UsageError
from mellea.core.redaction import redacted

__all__ = ["audio_format", "fetch", "fetch_png"]

_MOST_BYTES = 25 * 1024 * 1024
_SECONDS = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: it may lead into a network of this machine's own."""


@functools.lru_cache(maxsize=128)
def fetch(address: str) -> bytes:
    """Return what is at an http(s) address, fetched once for each process.

    Raises:
        UsageError: It leads to no public host, could not be fetched in time, or is too large.
    """
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"{redacted(address)!r} is no http(s) address.", hint="Pass one.")
    check_public(address, backend="this process")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(address, timeout=_SECONDS) as response:
            data: bytes = response.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{redacted(address)!r} could not be fetched: {error}.", hint="Load it and pass its bytes."
        ) from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{redacted(address)!r} has more than 25 MB.", hint="Pass a smaller file.")
    return data


@functools.lru_cache(maxsize=128)
def fetch_png(address: str) -> str:
    """Return the image at an address as a PNG file in base64.

    Raises:
        UsageError: As for ``fetch``; or it is no image, or Pillow, which reads it, is not installed.
    """
    data = fetch(address)
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
