"""Leaves of a prompt: text, images, audio. Immutable values, validated when made."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mellea.core.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["AudioBlock", "AudioUrlBlock", "CBlock", "ImageBlock", "ImageUrlBlock", "make_image_block"]

_MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8"}
_AUDIO_FORMATS = {
    "x-wav": "wav",
    "wav": "wav",
    "wave": "wav",
    "mpeg": "mp3",
    "mp3": "mp3",
    "x-flac": "flac",
    "flac": "flac",
    "ogg": "ogg",
}


def _short(value: object) -> str:
    """Return a value's repr, cut in the middle: a base64 image is no reading."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:50]}...{shown[-20:]}"


def _text_or_none(_: object, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise _NotTextError(type(value).__name__)


class _NotTextError(UsageError, TypeError):
    def __init__(self, got: str) -> None:
        super().__init__(f"A text block holds str, not {got}.", hint="Convert the value with str() first.")


@frozen
class CBlock:
    """Plain text in a prompt.

    Args:
        value: The text; None stands for no text.
        meta: Whatever the program wants to remember with it; no part of equality.
        cache: Hint that a local engine should keep the state computed for this text.

    Raises:
        UsageError: (also a TypeError) The value is not text.
    """

    value: str | None = field(validator=_text_or_none, repr=_short)
    meta: Mapping[str, Any] | None = field(default=None, eq=False, repr=False)
    cache: bool = field(default=False, kw_only=True, repr=False)

    def __str__(self) -> str:
        return self.value or ""


def _payload(value: str, kind: str) -> tuple[str | None, bytes]:
    """Return the MIME type of a data URI (None without one) and the decoded bytes."""
    mime, encoded = None, value
    if value.startswith("data:"):
        head, _, encoded = value.partition(",")
        mime = head[5:].split(";")[0]
    try:
        return mime, base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            f"{kind} data is not base64: {error}.",
            hint=f"Encode the {kind.lower()} file's bytes with base64.",
        ) from error


@frozen
class ImageBlock(CBlock):
    """An image as base64 text, with or without a data-URI head.

    Raises:
        UsageError: The value is not base64, or its bytes are no PNG, JPEG, GIF or WebP file.
    """

    def __attrs_post_init__(self) -> None:
        _payload(str(self), "Image")
        self.mime_type  # noqa: B018  an image of no known kind is refused here

    @property
    def mime_type(self) -> str:
        """The MIME type read from the first bytes, such as ``image/png``."""
        start = base64.b64decode(self.base64_data[:16])
        for mime, magic in _MAGIC.items():
            if start.startswith(magic):
                return mime
        if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
            return "image/webp"
        raise UsageError("Image data is no PNG, JPEG, GIF or WebP file.", hint="Convert the image to PNG.")

    @property
    def base64_data(self) -> str:
        """The base64 text without a data-URI head."""
        return str(self).rpartition(",")[2]

    @property
    def data_uri(self) -> str:
        """The image as a data URI."""
        return f"data:{self.mime_type};base64,{self.base64_data}"

    @classmethod
    def from_pil_image(cls, image: Image, meta: Mapping[str, Any] | None = None) -> ImageBlock:
        """Return the block of a Pillow image, encoded as PNG."""
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return cls(base64.b64encode(buffer.getvalue()).decode(), meta)


def _check_address(value: object) -> None:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise UsageError(
            f"Not an http(s) address: {_short(value)}.", hint="Pass an address that begins with https://."
        )


@frozen
class ImageUrlBlock(CBlock):
    """An image by its http(s) address, which the provider fetches."""

    def __attrs_post_init__(self) -> None:
        _check_address(self.value)


@frozen
class AudioBlock(CBlock):
    """Audio as base64 text; the format is read from a data-URI head or given.

    Raises:
        UsageError: The value is not base64, or the format cannot be told.
    """

    format: str | None = field(default=None)
    meta: Mapping[str, Any] | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        mime, _ = _payload(str(self), "Audio")
        if self.format is None:
            known = _AUDIO_FORMATS.get((mime or "").removeprefix("audio/"))
            if known is None:
                raise UsageError(
                    "The audio format cannot be told from the data.",
                    hint='Pass format="wav", "mp3" or "flac".',
                )
            object.__setattr__(self, "format", known)


@frozen
class AudioUrlBlock(CBlock):
    """Audio by its http(s) address."""

    format: str = field(default="")
    meta: Mapping[str, Any] | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _check_address(self.value)
        if not self.format:
            raise UsageError("Audio by address needs its format.", hint='Pass format="wav", "mp3" or "flac".')


def make_image_block(src: object, *, meta: Mapping[str, Any] | None = None) -> ImageBlock | ImageUrlBlock:
    """Return the fitting image block for an address, base64 text, a block, or a Pillow image.

    Raises:
        UsageError: It is none of these.
    """
    if isinstance(src, ImageBlock | ImageUrlBlock):
        return src
    if isinstance(src, str):
        return ImageUrlBlock(src, meta) if src.startswith(("http://", "https://")) else ImageBlock(src, meta)
    if hasattr(src, "save") and hasattr(src, "mode"):
        return ImageBlock.from_pil_image(src, meta)  # a Pillow image by its shape: Pillow is no dependency
    raise UsageError(
        f"No image: {type(src).__name__}.",
        hint="Pass an ImageBlock, base64 text, an address, or a Pillow image.",
    )
