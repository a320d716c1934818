"""What kind of image a file is and how large, read from its header; nothing is decoded.

A few kilobytes can hold an image of billions of pixels, which takes the memory of whoever decodes it. So the
largest frame that a file announces is what counts, not only its canvas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import error as struct_error
from struct import unpack_from

from mellea.core.errors import UsageError

__all__ = ["MOST_PIXELS", "check_pixels", "check_size", "image_type", "size_of"]

MOST_PIXELS = 89_478_485
"""The most pixels of an image: Pillow's own bound, 256 MiB in three colours."""
_MOST_STEPS = 1_000_000
"""Parts of a file that are looked at; no image that is worth sending has as many."""
_MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8"}
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_Size = tuple[int, int]


def image_type(data: bytes) -> str | None:
    """Return the MIME type that the first 12 bytes of a file tell; None for none of the four that we send."""
    for mime, magic in _MAGIC.items():
        if data.startswith(magic):
            return mime
    return "image/webp" if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else None


def size_of(data: bytes) -> _Size | None:
    """Return width and height of the largest frame that a file announces; None if it announces none.

    Raises:
        UsageError: The file is cut into more parts than any image.
    """
    reader = _READERS.get(image_type(data) or "")
    largest: _Size | None = None
    if reader is None:
        return None
    try:
        for step, size in enumerate(reader(data)):
            if step >= _MOST_STEPS:
                raise UsageError("The image file has a million parts.", hint="Save it anew, as PNG.")
            if size is not None and (largest is None or size[0] * size[1] > largest[0] * largest[1]):
                largest = size
    except (struct_error, IndexError):  # the file ends too early: what it has announced so far counts
        pass
    return largest


def check_pixels(data: bytes) -> None:
    """Refuse a file whose image would take too much memory to decode.

    Raises:
        UsageError: It has more than ``MOST_PIXELS``, or is cut into more parts than any image.
    """
    size = size_of(data)
    if size is not None:
        check_size(*size)


def check_size(width: int, height: int) -> None:
    """Refuse an image with more than ``MOST_PIXELS``.

    Raises:
        UsageError: It has more.
    """
    if width * height > MOST_PIXELS:
        raise UsageError(
            f"The image is {width:,} by {height:,} pixels, and at most {MOST_PIXELS:,} are taken in all; "
            "it was not decoded.",
            hint="Scale it down first.",
        )


def _png(data: bytes) -> Iterator[_Size | None]:
    if data[12:16] == b"IHDR":
        yield unpack_from(">II", data, 16)


def _jpeg(data: bytes) -> Iterator[_Size | None]:
    """Walk over the segments up to the first frame; what lies between them is skipped, as decoders do."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = unpack_from(">HH", data, place + 5)
            yield width, height
            return
        if marker == 0xFF:
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + max(2, unpack_from(">H", data, place + 2)[0])
        yield None


def _gif(data: bytes) -> Iterator[_Size | None]:
    """Walk over the blocks; a frame may be larger than the canvas that the file begins with."""
    yield unpack_from("<HH", data, 6)
    place = 13 + _colours(data[10])
    while data[place] in (0x21, 0x2C):
        if data[place] == 0x2C:
            left, top, width, height, flags = unpack_from("<HHHHB", data, place + 1)
            yield left + width, top + height
            place += 11 + _colours(flags)
        else:
            place += 2
        while data[place]:
            place += 1 + data[place]
            yield None
        place += 1


def _colours(flags: int) -> int:
    """Return the bytes of the table of colours that flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> Iterator[_Size | None]:
    """Read the first chunk, with which decoders compare the ones after it."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[place : place + 3], "little") + 1 for place in (24, 27))
        yield width, height
    elif kind == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        yield (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = unpack_from("<HH", data, 26)
        yield width & 0x3FFF, height & 0x3FFF


_READERS: Mapping[str, Callable[[bytes], Iterator[_Size | None]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
