"""Images are measured by their header, and those that would fill the memory are refused undecoded."""

import base64
import io
import struct
import warnings
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mellea import start_session
from mellea.core import Capability, ImageBlock, UsageError, make_image_block
from mellea.core.image_header import MOST_PIXELS, check_pixels, image_type, size_of
from mellea.testing import ScriptedBackend


def file_of(kind, size=(7, 5), **options):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, format=kind, **options)
    return buffer.getvalue()


def png(width, height):
    """Return a PNG file of a few hundred bytes that announces so many pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            chunk(b"IDAT", zlib.compress(bytes(100_000))),
            chunk(b"IEND", b""),
        )
    )


def jpeg(width, height, between=b""):
    whole = file_of("JPEG")
    place = whole.index(b"\xff\xc0")
    frame = whole[place : place + 5] + struct.pack(">HH", height, width) + whole[place + 9 :]
    return whole[:place] + between + frame


def gif(canvas, frame):
    head = b"GIF89a" + struct.pack("<HH", *canvas) + b"\x80\x00\x00" + bytes(6)
    note = b"\x21\xfe\x03abc\x00"
    return head + note + b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\x00\x3b"


def webp(kind, fields):
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + b"\x00\x00\x00\x00" + fields


def extended_webp(width, height):
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (file_of("PNG"), "image/png"),
        (file_of("JPEG"), "image/jpeg"),
        (file_of("JPEG", progressive=True), "image/jpeg"),
        (file_of("GIF"), "image/gif"),
        (file_of("WEBP"), "image/webp"),
        (file_of("WEBP", lossless=True), "image/webp"),
        (file_of("WEBP", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"), "image/webp"),
    ],
)
def test_size_is_what_pillow_reads(data, mime):
    assert image_type(data) == mime
    assert size_of(data) == (7, 5)


def test_size_of_a_jpeg_is_found_behind_other_segments_and_rubbish():
    exif = b"\xff\xe1" + struct.pack(">H", 60_002) + b"\xff\xc0" * 30_000
    assert size_of(jpeg(300, 200, between=exif + b"rubbish\xff\xff\xff\x00")) == (300, 200)


BOMBS = {
    "png": png(50_000, 50_000),
    "png-wide": png(2**31 - 1, 1),
    "jpeg": jpeg(65_500, 65_500),
    "jpeg-behind-exif": jpeg(65_500, 65_500, between=b"\xff\xe1\x00\x08Exif\x00\x00"),
    "gif": gif((65_535, 65_535), (1, 1)),
    "gif-frame-larger-than-canvas": gif((1, 1), (65_535, 65_535)),
    "webp-lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 16_383 | 16_383 << 14)),
    "webp-lossy": webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383)),
    "webp-extended": extended_webp(16_384, 16_384),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bomb_is_refused_undecoded(bomb):
    assert len(bomb) < 70_000
    with pytest.raises(UsageError, match=r"pixels, and at most 89,478,485.*not decoded\. Scale"):
        make_image_block(bomb)
    with pytest.raises(UsageError, match="not decoded"):
        ImageBlock(base64.b64encode(bomb).decode())


def test_bomb_is_refused_before_anything_is_sent():
    backend = ScriptedBackend("a cat", capabilities={Capability.IMAGES})
    with start_session(backend) as session, pytest.raises(UsageError, match="not decoded"):
        session.instruct("What is this?", images=[BOMBS["png"]])

    assert backend.calls == 0


def test_pillow_image_that_is_not_loaded_is_refused_before_it_is():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        lazy = Image.open(io.BytesIO(png(10_000, 9_000)))

    with pytest.raises(UsageError, match="not decoded"):
        ImageBlock.from_pil_image(lazy)


def test_largest_image_that_is_taken():
    side = int(MOST_PIXELS**0.5)

    check_pixels(png(side, side))
    with pytest.raises(UsageError):
        check_pixels(png(side + 1, side + 1))


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBPVP8L", b"text"]
)
def test_file_that_ends_in_its_header_announces_nothing(data):
    assert size_of(data) is None


@pytest.mark.parametrize(
    "endless",
    [
        b"\xff\xd8\xff" + b"\xff\x00" * 1_100_000,
        gif((1, 1), (1, 1))[:19] + b"\x21\xfe" + b"\x01a" * 1_100_000,
    ],
)
def test_file_of_a_million_parts_is_refused_soon(endless):
    with pytest.raises(UsageError, match="million parts"):
        size_of(endless)


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP"]),
    st.binary(max_size=200),
)
def test_any_bytes_have_a_size_or_none(magic, rest):
    size = size_of(magic + rest)

    assert size is None or all(side >= 0 for side in size)
