"""Images and audio from what a program has at hand, and checked before anything is sent."""

import base64
import io
import re
import wave

import pytest
from PIL import Image

from mellea import start_session
from mellea.core import (
    AudioBlock,
    AudioUrlBlock,
    Capability,
    CapabilityError,
    ImageBlock,
    ImageUrlBlock,
    Message,
    UsageError,
)
from mellea.core import inlining as inlining_module
from mellea.core.blocks import make_audio_block, make_image_block
from mellea.core.inlining import inlined
from mellea.testing import ScriptedBackend

SEES = {Capability.IMAGES, Capability.AUDIO, Capability.STREAMING}


def image(kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2)).save(buffer, format=kind)
    return buffer.getvalue()


def sound():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(160))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_image_is_taken_as_bytes_and_as_a_path(tmp_path, kind):
    path = tmp_path / "image.bin"
    path.write_bytes(image(kind))

    assert make_image_block(image(kind)) == make_image_block(path) == ImageBlock.from_file(path)
    assert make_image_block(path).mime_type == f"image/{kind.lower()}"


def test_sound_is_taken_as_bytes_and_as_a_path(tmp_path):
    path = tmp_path / "sound.bin"
    path.write_bytes(sound())

    assert make_audio_block(sound()) == make_audio_block(path) == AudioBlock.from_file(path)
    assert make_audio_block(path).format == "wav"
    assert make_audio_block(AudioUrlBlock("https://x/a.mp3", "mp3")).format == "mp3"


@pytest.mark.parametrize(
    ("make", "wrong", "why"),
    [
        (make_image_block, b"text", "No image: bytes"),
        (make_image_block, 3, "No image: int"),
        (make_image_block, "cat.png", "pathlib.Path"),
        (make_image_block, sound(), "No image"),
        (make_audio_block, b"text", "format cannot be told"),
        (make_audio_block, image(), "format cannot be told"),
        (make_audio_block, 3, "No audio: int"),
        (make_audio_block, "song.mp3", "pathlib.Path"),
    ],
)
def test_what_is_neither_is_refused(make, wrong, why):
    with pytest.raises(UsageError, match=re.escape(why)):
        make(wrong)


def test_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="cat.png"):
        make_image_block(tmp_path / "cat.png")


@pytest.mark.parametrize("verb", ["instruct", "chat"])
def test_verbs_take_files(tmp_path, verb):
    path = tmp_path / "cat.png"
    path.write_bytes(image())
    backend = ScriptedBackend("A cat.", capabilities=SEES)
    with start_session(backend) as session:
        getattr(session, verb)("What is this?", images=[path, image("JPEG")], audio=[sound()])

    (message,) = backend.requests[0].messages
    assert [block.mime_type for block in message.images] == ["image/png", "image/jpeg"]
    assert [block.format for block in message.audio] == ["wav"]


@pytest.mark.parametrize("verb", ["instruct", "chat"])
@pytest.mark.parametrize("given", [{"images": image()}, {"audio": sound()}])
def test_one_file_without_a_list_is_refused(verb, given):
    with (
        start_session(ScriptedBackend("", capabilities=SEES)) as session,
        pytest.raises(UsageError, match=r"Pass a list"),
    ):
        getattr(session, verb)("What is this?", **given)


@pytest.mark.parametrize(
    ("given", "missing"), [({"images": [image()]}, "images"), ({"audio": [sound()]}, "audio")]
)
def test_backend_that_cannot_refuses_before_sending(given, missing):
    backend = ScriptedBackend("")
    with start_session(backend) as session, pytest.raises(CapabilityError, match=missing) as caught:
        session.instruct("What is this?", **given)

    assert caught.value.missing == missing
    assert backend.calls == 0


async def test_what_stands_by_its_address_is_put_in_by_value_once(monkeypatch):
    asked = []
    files = {"https://x/a.png": image(), "https://x/a.wav": sound()}
    monkeypatch.setattr(inlining_module, "fetch", lambda address: (asked.append(address), files[address])[1])
    spoken = AudioUrlBlock("https://x/a.wav", "wav")
    seen = ImageUrlBlock("https://x/a.png")
    given = [Message("user", "a", images=[seen, ImageBlock.from_bytes(image("JPEG"))]), Message("user", "b")]
    given.append(Message("user", "c", images=[seen], audio=[spoken]))

    first, second, third = await inlined(given)

    assert sorted(asked) == ["https://x/a.png", "https://x/a.wav"]
    assert [block.mime_type for block in first.images] == ["image/png", "image/jpeg"]
    assert second == given[1]
    assert third.images == [ImageBlock.from_bytes(image())]
    assert third.audio == [AudioBlock(base64.b64encode(sound()).decode(), "wav")]


async def test_images_stay_addresses_for_a_provider_that_fetches_them():
    message = Message("user", "a", images=[ImageUrlBlock("https://x/a.png")])

    assert await inlined([message], images=False) == (message,)


async def test_address_in_a_private_network_is_not_fetched():
    with pytest.raises(UsageError, match="nothing was fetched"):
        await inlined([Message("user", "a", audio=[AudioUrlBlock("http://127.0.0.1/a.wav", "wav")])])
