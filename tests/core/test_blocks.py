import base64
import pickle

import pytest
from PIL import Image

from mellea.core import (
    AudioBlock,
    AudioUrlBlock,
    CBlock,
    ImageBlock,
    ImageUrlBlock,
    UsageError,
    make_image_block,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(16)).decode()
WEBP = base64.b64encode(b"RIFF\x00\x00\x00\x00WEBPVP8 ").decode()
WAV = base64.b64encode(b"RIFF\x00\x00\x00\x00WAVEfmt ").decode()


def test_text_block_shows_its_text():
    assert str(CBlock("hello")) == "hello"


def test_text_block_without_text_shows_nothing():
    assert str(CBlock(None)) == ""


def test_text_blocks_with_the_same_text_are_equal_whatever_their_meta():
    assert CBlock("a", {"x": 1}) == CBlock("a")
    assert hash(CBlock("a", {"x": 1})) == hash(CBlock("a"))


def test_text_block_refuses_what_is_no_text():
    with pytest.raises(UsageError, match=r"not int\. Convert") as caught:
        CBlock(3)
    assert isinstance(caught.value, TypeError)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), TypeError)


def test_text_of_a_block_may_be_replaced_and_nothing_else():
    block = CBlock("a")
    block.value = "b"
    with pytest.raises(AttributeError):
        block.meta = {}
    assert block == CBlock("b")


@pytest.mark.parametrize(("data", "mime"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")])
def test_image_type_is_read_from_the_bytes(data, mime):
    block = ImageBlock(data)
    assert block.mime_type == mime
    assert block.data_uri == f"data:{mime};base64,{data}"


def test_image_type_of_a_data_uri_is_read_from_the_bytes_too():
    block = ImageBlock(f"data:image/png;base64,{JPEG}")
    assert block.mime_type == "image/jpeg"
    assert block.base64_data == JPEG


@pytest.mark.parametrize(
    "value", ["not base64!", "", PNG[:-3] + "!", base64.b64encode(b"plain text").decode(), WAV, None]
)
def test_image_block_refuses_what_is_no_image(value):
    with pytest.raises(UsageError):
        ImageBlock(value)


def test_sound_is_no_image_though_it_begins_like_webp():
    with pytest.raises(UsageError, match="no PNG"):
        ImageBlock(WAV)


def test_image_repr_is_short():
    assert len(repr(ImageBlock(base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(9000)).decode()))) < 150


def test_image_block_of_a_pillow_image_is_a_png():
    assert ImageBlock.from_pil_image(Image.new("RGB", (2, 2))).mime_type == "image/png"


def test_blocks_of_different_kinds_differ():
    assert ImageBlock(PNG) != CBlock(PNG)


@pytest.mark.parametrize("kind", [ImageUrlBlock, lambda value: AudioUrlBlock(value, "wav")])
@pytest.mark.parametrize("address", ["ftp://x/y.png", "x.png", "", None, 5])
def test_address_blocks_want_http(kind, address):
    with pytest.raises(UsageError):
        kind(address)


def test_address_blocks_keep_the_address():
    assert str(ImageUrlBlock("https://example.org/a.png")) == "https://example.org/a.png"
    assert AudioUrlBlock("https://example.org/a.wav", "wav").format == "wav"


def test_audio_by_address_needs_a_format():
    with pytest.raises(UsageError, match="format"):
        AudioUrlBlock("https://example.org/a.wav")


@pytest.mark.parametrize(
    ("mime", "format"), [("audio/x-wav", "wav"), ("audio/mpeg", "mp3"), ("audio/x-flac", "flac")]
)
def test_audio_format_is_read_from_a_data_uri(mime, format):
    assert AudioBlock(f"data:{mime};base64,{WAV}").format == format


def test_audio_format_can_be_given():
    assert AudioBlock(WAV, "wav", {"from": "microphone"}).format == "wav"


def test_audio_without_a_format_is_refused():
    with pytest.raises(UsageError, match="cannot be told"):
        AudioBlock(WAV)


def test_audio_that_is_not_base64_is_refused():
    with pytest.raises(UsageError, match="not base64"):
        AudioBlock("???", "wav")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (PNG, ImageBlock),
        ("https://example.org/a.png", ImageUrlBlock),
        (Image.new("L", (1, 1)), ImageBlock),
        (ImageUrlBlock("http://x/y"), ImageUrlBlock),
    ],
)
def test_image_block_fits_its_source(source, kind):
    assert type(make_image_block(source)) is kind


def test_image_block_of_anything_else_is_refused():
    with pytest.raises(UsageError, match="No image: bytes"):
        make_image_block(b"abc")
