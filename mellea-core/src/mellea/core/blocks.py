"""Leaves of a prompt: text, images, audio. Values, checked when they are made and when a text is assigned."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field, setters

from mellea.core.errors import UsageError
from mellea.core.image_header import check_pixels, check_size, image_type

if TYPE_CHECKING:
    from PIL.Image import Image

    from mellea.core.sources import Sources

__all__ = [
    "AudioBlock",
    "AudioUrlBlock",
    "CBlock",
    "ImageBlock",
    "ImageUrlBlock",
    "make_audio_block",
    "make_image_block",
]

_AUDIO_FORMATS = {
    **dict.fromkeys(("wave", "pn-wav", "vnd.wave"), "wav"),
    **dict.fromkeys(("mpeg", "mpeg3", "mpeg-3", "mpg", "mpg3", "mpegaudio"), "mp3"),
    **dict.fromkeys(("aif", "aifc"), "aiff"),
    **dict.fromkeys(("aacp", "hx-aac-adts"), "aac"),
    **dict.fromkeys(("vorbis", "vorbis+ogg"), "ogg"),
}
"""What MIME subtypes mean, where it is not what they say; an ``x-`` in front says nothing."""
_TOLD_BY_FORMAT = 'Pass format="wav", "mp3" or "flac".'


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


class _NoMediaError(UsageError, TypeError):
    pass


def _checked(block: CBlock, attribute: Any, value: Any) -> Any:
    """Let a block take another text only if it could have been made of it."""
    _text_or_none(block, attribute, value)
    block.check_value(value)
    return value


def _as_dict(meta: Mapping[str, Any] | None) -> dict[str, Any]:
    return meta if isinstance(meta, dict) else dict(meta or {})


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class CBlock:
    """Plain text in a prompt.

    Args:
        value: The text; None stands for no text. Another one may be assigned.
        meta: Whatever the program wants to remember with it; no part of equality.
        cache: Hint that a local engine should keep the state computed for this text.
        sources: Where the text comes from; None for wherever the block is used as.

    Raises:
        UsageError: (also a TypeError) The value is not text.
    """

    value: str | None = field(validator=_text_or_none, on_setattr=_checked, repr=_short)
    meta: dict[str, Any] = field(default=None, converter=_as_dict, eq=False, repr=False)
    cache: bool = field(default=False, kw_only=True, repr=False, on_setattr=setters.NO_OP)
    sources: Sources | None = field(default=None, kw_only=True, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.check_value(self.value)

    def check_value(self, value: Any) -> None:
        """Refuse a text that a block of this kind cannot hold.

        Raises:
            UsageError: It cannot.
        """

    @property
    def _meta(self) -> dict[str, Any]:
        return self.meta

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
            hint=f"Encode the {kind.lower()} file's bytes with base64; for a file, pass a pathlib.Path.",
        ) from error


def _decoded(text: str) -> bytes | None:
    """Return the bytes of base64 text, whatever its head, and with or without ``=`` at its end."""
    encoded = text.rpartition(",")[2].strip().rstrip("=") if isinstance(text, str) else ""
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class ImageBlock(CBlock):
    """An image as base64 text, with or without a data-URI head.

    Raises:
        UsageError: The value is not base64, its bytes are no PNG, JPEG, GIF or WebP file, or the image has
            more than 89,478,485 pixels; that is read from its header, and nothing is decoded.
    """

    def check_value(self, value: Any) -> None:
        """Refuse what is no image."""
        _, data = _payload(str(value or ""), "Image")
        if image_type(data) is None:
            raise UsageError(
                "Image data is no PNG, JPEG, GIF or WebP file.", hint="Convert the image to PNG."
            )
        check_pixels(data)

    @property
    def mime_type(self) -> str:
        """The MIME type read from the first bytes, such as ``image/png``."""
        return image_type(base64.b64decode(self.base64_data[:16])) or "image/png"

    @property
    def base64_data(self) -> str:
        """The base64 text without a data-URI head."""
        return str(self).rpartition(",")[2]

    @property
    def data_uri(self) -> str:
        """The image as a data URI."""
        return f"data:{self.mime_type};base64,{self.base64_data}"

    @staticmethod
    def is_valid_base64_png(text: str) -> bool:
        """Tell whether a text is a PNG file in base64, whatever its head."""
        data = _decoded(text)
        return data is not None and image_type(data) == "image/png"

    @staticmethod
    def pil_to_base64(image: Image) -> str:
        """Return a Pillow image as a PNG file in base64.

        Raises:
            UsageError: It has too many pixels; one that is not loaded yet is not decoded then.
        """
        check_size(image.width, image.height)
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    @classmethod
    def from_pil_image(cls, image: Image, meta: Mapping[str, Any] | None = None) -> ImageBlock:
        """Return the block of a Pillow image, encoded as PNG."""
        return cls(cls.pil_to_base64(image), meta)

    @classmethod
    def from_bytes(cls, data: bytes, meta: Mapping[str, Any] | None = None) -> ImageBlock:
        """Return the block of a file's bytes."""
        return cls(base64.b64encode(data).decode(), meta)

    @classmethod
    def from_file(cls, path: str | Path, meta: Mapping[str, Any] | None = None) -> ImageBlock:
        """Return the block of a file."""
        return cls.from_bytes(Path(path).read_bytes(), meta)

    @classmethod
    def from_url(cls, url: str, meta: Mapping[str, Any] | None = None) -> ImageBlock:
        """Return the block of what is at an address. It blocks.

        Raises:
            UsageError: It leads to no public host, cannot be fetched within the limits, or is no image.
        """
        from mellea.core.fetching import fetch  # noqa: PLC0415  few programs fetch

        return cls.from_bytes(fetch(url), meta)


def _check_address(value: object) -> None:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise UsageError(
            f"Not an http(s) address: {_short(value)}.", hint="Pass an address that begins with https://."
        )


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class ImageUrlBlock(CBlock):
    """An image by its http(s) address, which the provider fetches."""

    def check_value(self, value: Any) -> None:
        """Refuse what is no address."""
        _check_address(value)

    def resolve_base64(self) -> str:
        """Return the image as a PNG file in base64, fetched once for each address and process.

        It blocks. The address must lead to a public host, and the file may have 25 MB.

        Raises:
            UsageError: It could not be fetched in time, is too large, or is no image.
        """
        from mellea.core.media import fetch_png  # noqa: PLC0415  only for providers that take no addresses

        return fetch_png(str(self))


def _told_format(block: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise UsageError(f"{value!r} is no audio format.", hint=_TOLD_BY_FORMAT)


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class AudioBlock(CBlock):
    """Audio as base64 text; the format is read from a data-URI head or given.

    Raises:
        UsageError: The value is not base64, or the format cannot be told.
    """

    format: str | None = field(default=None, validator=_told_format)
    meta: dict[str, Any] = field(default=None, converter=_as_dict, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        mime, _ = _payload(str(self), "Audio")
        if self.format is None:
            subtype = (mime or "").partition("/")[2].strip().lower().removeprefix("x-")
            if not subtype:
                raise UsageError("The audio format cannot be told from the data.", hint=_TOLD_BY_FORMAT)
            object.__setattr__(self, "format", _AUDIO_FORMATS.get(subtype, subtype))

    def check_value(self, value: Any) -> None:
        """Refuse what is no audio in base64."""
        _payload(str(value or ""), "Audio")

    @staticmethod
    def is_valid_base64_audio(text: str) -> bool:
        """Tell whether a text is base64, whatever its head."""
        return _decoded(text) is not None

    @staticmethod
    def detect_format(data: bytes) -> str | None:
        """Return the format of a file's bytes; None when they do not tell it."""
        from mellea.core.media import audio_format  # noqa: PLC0415  few programs send files

        return audio_format(data)

    @classmethod
    def from_bytes(
        cls, data: bytes, format: str | None = None, meta: Mapping[str, Any] | None = None
    ) -> Self:
        """Return the block of a file's bytes, whose format they tell unless it is given.

        Raises:
            UsageError: They do not tell it.
        """
        known = format if format is not None else cls.detect_format(data)
        if known is None:
            raise UsageError("The audio format cannot be told from the data.", hint=_TOLD_BY_FORMAT)
        return cls(base64.b64encode(data).decode(), known, meta)

    @classmethod
    def from_file(
        cls, path: str | Path, format: str | None = None, meta: Mapping[str, Any] | None = None
    ) -> Self:
        """Return the block of a file. See ``from_bytes``."""
        return cls.from_bytes(Path(path).read_bytes(), format, meta)

    @classmethod
    def from_url(cls, url: str, format: str | None = None, meta: Mapping[str, Any] | None = None) -> Self:
        """Return the block of what is at an address. See ``from_bytes``; it blocks.

        Raises:
            UsageError: It could not be fetched, or does not tell its format.
        """
        from mellea.core.fetching import fetch  # noqa: PLC0415  few programs fetch

        return cls.from_bytes(fetch(url), format, meta)


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class AudioUrlBlock(CBlock):
    """Audio by its http(s) address."""

    format: str = field(default="")
    meta: dict[str, Any] = field(default=None, converter=_as_dict, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _check_address(self.value)
        if not isinstance(self.format, str) or not self.format.strip():
            raise UsageError("Audio by address needs its format.", hint=_TOLD_BY_FORMAT)

    def check_value(self, value: Any) -> None:
        """Refuse what is no address."""
        _check_address(value)

    def resolve_base64(self) -> str:
        """Return the audio in base64, fetched once for each address and process. It blocks.

        Raises:
            UsageError: It could not be fetched in time, or is too large.
        """
        from mellea.core.fetching import fetch  # noqa: PLC0415  few programs fetch

        return base64.b64encode(fetch(str(self))).decode()


def make_image_block(
    src: object, *, convert_to_base64: bool = False, meta: Mapping[str, Any] | None = None
) -> ImageBlock | ImageUrlBlock:
    """Return the fitting image block for a file's bytes or path, an address, base64 text, or a Pillow image.

    Args:
        src: The image; a block is returned as it is, and a text is an address or base64, not a path.
        convert_to_base64: Whether to fetch what is given by its address.
        meta: Whatever the program wants to remember with it.

    Raises:
        UsageError: It is none of these; for what is no text either also a TypeError.
    """
    if isinstance(src, str) and src.startswith(("http://", "https://")):
        src = ImageUrlBlock(src, meta)
    if isinstance(src, ImageUrlBlock) and convert_to_base64:
        return ImageBlock(src.resolve_base64(), meta)
    if isinstance(src, ImageBlock | ImageUrlBlock):
        return src
    if isinstance(src, str):
        return ImageBlock(src, meta)
    if isinstance(src, Path):
        return ImageBlock.from_file(src, meta)
    if isinstance(src, bytes) and image_type(src) is not None:
        return ImageBlock.from_bytes(src, meta)
    if hasattr(src, "save") and hasattr(src, "mode"):
        return ImageBlock.from_pil_image(src, meta)  # a Pillow image by its shape: Pillow is no dependency
    raise _NoMediaError(
        f"No image: {type(src).__name__}.",
        hint="Pass an ImageBlock, the bytes or the path of a PNG, JPEG, GIF or WebP file, base64 text, an "
        "address, or a Pillow image.",
    )


def make_audio_block(src: object, *, meta: Mapping[str, Any] | None = None) -> AudioBlock | AudioUrlBlock:
    """Return the fitting audio block for a file's bytes or path, or a data URI.

    Args:
        src: The audio; a block is returned as it is.
        meta: Whatever the program wants to remember with it.

    Raises:
        UsageError: It is none of these, or does not tell its format; for what is no text either also a
            TypeError.
    """
    if isinstance(src, AudioBlock | AudioUrlBlock):
        return src
    if isinstance(src, Path):
        return AudioBlock.from_file(src, meta=meta)
    if isinstance(src, bytes):
        return AudioBlock.from_bytes(src, meta=meta)
    if isinstance(src, str):
        return AudioBlock(src, meta=_as_dict(meta))
    raise _NoMediaError(
        f"No audio: {type(src).__name__}.",
        hint="Pass an AudioBlock, or the bytes or the path of a sound file.",
    )
