"""Blocks, messages, histories and components, as programs of the 0.8 line make, change and subclass them."""

import base64
import copy
import importlib
import io
import json
import logging
import sys

import pytest
from PIL import Image

from mellea import CBlock, Document, Instruction, Message, MObject, SimpleComponent, mify
from mellea.core import (
    AudioBlock,
    AudioUrlBlock,
    Component,
    ImageBlock,
    ImageUrlBlock,
    ModelOutputThunk,
    ModelToolCall,
    PartialValidationResult,
    RawProviderResponse,
    TemplateRepresentation,
    ValidationResult,
    get_audio_from_component,
    get_images_from_component,
    make_image_block,
)
from mellea.core.message import merge_provider_fields
from mellea.formatters import TemplateFormatter
from mellea.stdlib.components import MObjectProtocol, as_chat_history, as_generic_chat_history
from mellea.stdlib.components.mobject import Query, Transform
from mellea.stdlib.context import SimpleContext

PNG = ImageBlock.pil_to_base64(Image.new("RGB", (1, 1)))
WAV = base64.b64encode(b"RIFF\x00\x00\x00\x00WAVEfmt ").decode()


# Values that programs assign to and subclass

VALUES = [
    (CBlock, ("text",)),
    (ImageBlock, (PNG,)),
    (ImageUrlBlock, ("https://example.org/a.png",)),
    (AudioBlock, (WAV, "wav")),
    (AudioUrlBlock, ("https://example.org/a.wav", "wav")),
    (Message, ("user", "text")),
    (Document, ("text",)),
    (Instruction, ("Do it.",)),
    (Query, (CBlock("x"), "why?")),
    (Transform, (CBlock("x"), "shorten")),
    (ValidationResult, (True,)),
    (PartialValidationResult, ("pass",)),
    (ModelToolCall, ("f", None)),
]


@pytest.mark.parametrize(("base", "arguments"), VALUES, ids=[base.__name__ for base, _ in VALUES])
def test_plain_subclass_sets_attributes_of_its_own(base, arguments):
    class Ticket(base):
        def __init__(self, number):
            super().__init__(*arguments)
            self.number = number

    ticket = Ticket(3)
    ticket.number += 1
    assert (ticket.number, copy.copy(ticket).number, copy.deepcopy(ticket).number) == (4, 4, 4)


@pytest.mark.parametrize(("base", "arguments"), VALUES, ids=[base.__name__ for base, _ in VALUES])
def test_what_a_value_is_made_of_stays(base, arguments):
    value = base(*arguments)
    name = value.__attrs_attrs__[-1].name
    with pytest.raises(AttributeError):
        setattr(value, name if name != "cache" else "meta", "other")


def test_text_of_a_block_can_be_assigned_and_is_checked():
    block = CBlock("a")
    block.value = "b"
    assert str(block) == "b"
    with pytest.raises(TypeError):
        block.value = 3
    image = ImageBlock(PNG)
    with pytest.raises(ValueError, match="not base64"):
        image.value = "???"
    assert image.value == PNG


def test_metadata_of_a_block_is_a_mapping():
    given = {"a": 1}
    assert (CBlock("a").meta, CBlock("a")._meta) == ({}, {})
    block = CBlock("a", given)
    assert block._meta is given
    block._meta["b"] = 2
    assert block.meta["b"] == 2


def test_png_in_base64_is_told_whatever_its_head():
    assert ImageBlock.is_valid_base64_png(PNG)
    assert ImageBlock.is_valid_base64_png(f"data:image/png;base64,{PNG.rstrip('=')}")
    for wrong in ("", "???", WAV, None):
        assert not ImageBlock.is_valid_base64_png(wrong)
    assert AudioBlock.is_valid_base64_audio(f"data:audio/wav;base64,{WAV}")
    assert not AudioBlock.is_valid_base64_audio("no base64!")


@pytest.mark.parametrize(
    ("subtype", "format"),
    [
        *((name, "wav") for name in ("wav", "x-wav", "wave", "x-wave", "vnd.wave", "x-pn-wav", "X-WAV")),
        *((name, "mp3") for name in ("mp3", "x-mp3", "mpeg", "x-mpeg", "mpeg3", "x-mpeg-3", "mpg")),
        *((name, "flac") for name in ("flac", "x-flac")),
        *((name, name.removeprefix("x-")) for name in ("ogg", "x-aiff", "webm", "opus", "x-m4a", "nonsense")),
    ],
)
def test_audio_format_of_a_mime_subtype(subtype, format):
    assert AudioBlock(f"data:audio/{subtype};base64,{WAV}").format == format


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_blank_audio_format_is_refused(blank):
    for make in (
        lambda: AudioBlock(WAV, blank),
        lambda: AudioBlock(f"data:audio/{blank};base64,{WAV}"),
        lambda: AudioBlock.from_bytes(b"RIFF\0\0\0\0WAVE", format=blank),
        lambda: AudioUrlBlock("https://example.org/a", blank),
    ):
        with pytest.raises(ValueError, match="format"):
            make()


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"ID3\x03", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"nonsense", None),
        (b"", None),
    ],
)
def test_audio_format_is_told_by_content(data, format, tmp_path):
    assert AudioBlock.detect_format(data) == format
    (tmp_path / "a.mp3").write_bytes(data)
    if format is None:
        with pytest.raises(ValueError, match="cannot be told"):
            AudioBlock.from_file(tmp_path / "a.mp3")
    else:
        assert AudioBlock.from_file(tmp_path / "a.mp3").format == format


def test_image_block_of_anything():
    assert isinstance(make_image_block("https://example.org/a.png"), ImageUrlBlock)
    assert isinstance(make_image_block(PNG), ImageBlock)
    assert isinstance(make_image_block(Image.new("RGB", (1, 1))), ImageBlock)
    with pytest.raises(ValueError, match="base64"):
        make_image_block("neither address nor base64")
    for wrong in (3, None, b"x"):
        with pytest.raises(TypeError):
            make_image_block(wrong)


def test_image_is_fetched_once_and_converted(monkeypatch):
    media = importlib.import_module("mellea.core.media")
    jpeg = io.BytesIO()
    Image.new("RGB", (1, 1)).save(jpeg, format="JPEG")
    asked = []
    monkeypatch.setattr(media, "fetch", lambda address: (asked.append(address), jpeg.getvalue())[1])
    block = ImageUrlBlock("https://example.org/once.jpg")
    assert ImageBlock.is_valid_base64_png(block.resolve_base64())
    assert block.resolve_base64() == block.resolve_base64()
    assert isinstance(make_image_block(block, convert_to_base64=True), ImageBlock)
    assert len(asked) == 1
    media.fetch_png.cache_clear()


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.png", "http://nobody.invalid/a.png"])
def test_image_that_cannot_be_fetched_is_a_value_error(address):
    with pytest.raises(ValueError, match="nothing was fetched"):
        ImageUrlBlock(address).resolve_base64()


def test_media_of_a_component_are_its_attributes():
    class Own:
        images = audio = None

    own = Own()
    assert (get_images_from_component(own), get_audio_from_component(own)) == (None, None)
    own.images, own.audio = [ImageBlock(PNG)], []
    assert get_images_from_component(own) is own.images
    assert get_audio_from_component(own) is None
    assert get_images_from_component(object()) is None


# Messages


def test_lists_of_a_message_are_those_given_or_none():
    bare = Message("user", "hi")
    assert (bare.images, bare.audio, bare.documents, bare.tool_calls) == (None,) * 4
    shown = bare.format_for_llm()
    assert (shown.images, shown.audio, shown.tool_calls, shown.args["documents"]) == (None,) * 4
    images, calls = [ImageBlock(PNG)], [{"id": "1", "type": "function", "function": {"name": "f"}}]
    message = Message("assistant", "hi", images=images, tool_calls=calls)
    assert message.images == images
    assert message.tool_calls == calls
    assert message.format_for_llm().images == images


def test_documents_of_a_message_are_documents():
    message = Message("user", "hi", documents=["a", Document("b")])
    assert [document.text for document in message.documents] == ["a", "b"]
    assert TemplateFormatter().print(message) == "hi\n\na\n\nb"


def test_parts_of_a_message_begin_with_its_text():
    image, document = ImageBlock(PNG), Document("d")
    message = Message("user", "hi", images=[image], documents=[document])
    text, *others = message.parts()
    assert (str(text), others) == ("hi", [document, image])
    assert text is message.format_for_llm().args["content"]


class Said:
    def __init__(self, role, content):
        self.message = type("M", (), {"role": role, "content": content})


def openai_answer(**message):
    return {"choices": [{"message": message}]}


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("provider", "response", "role", "content", "calls"),
    [
        ("ollama", Said("assistant", "hi"), "assistant", "hi", None),
        ("ollama", Said("assistant", None), "assistant", "", None),
        ("openai", openai_answer(role="assistant", content="hi"), "assistant", "hi", None),
        ("litellm", openai_answer(role="assistant", content=None), "assistant", "", None),
        ("watsonx", openai_answer(role="assistant"), "assistant", "", None),
        ("openai", openai_answer(role="assistant", tool_calls=[CALL]), "assistant", "", [CALL]),
        ("openai", openai_answer(role="user", content="hi"), "user", "hi", None),
        ("another", {"x": 1}, "assistant", "the text", None),
        (None, None, "assistant", "the text", None),
    ],
)
def test_answer_to_a_message_is_what_the_provider_said(provider, response, role, content, calls):
    thunk = ModelOutputThunk("the text")
    thunk.thinking = "hm"
    thunk.raw = RawProviderResponse(provider=provider, response=response)
    message = Message("user", "?").parse(thunk)
    assert (message.role, message.content, message.tool_calls) == (role, content, calls)
    assert message.thinking == ("hm" if role == "assistant" else None)


def test_calls_of_a_thunk_become_calls_of_the_message():
    thunk = ModelOutputThunk(
        "", tool_calls=[ModelToolCall("f", None, {"x": 1}), ModelToolCall("g", None, {}, "7")]
    )
    first, second = Message("user", "?").parse(thunk).tool_calls
    assert (first["type"], first["function"]) == ("function", {"name": "f", "arguments": '{"x": 1}'})
    assert first["id"].startswith("call_")
    assert len(first["id"]) == len("call_") + 24
    assert second["id"] == "7"


def test_fields_for_another_provider_are_an_error():
    wire = {"role": "user", "content": "mine"}
    merged = merge_provider_fields(wire, {"openai": {"name": "ada", "content": "x"}, "*": {"y": 1}}, "openai")
    assert merged == {"role": "user", "content": "mine", "name": "ada", "y": 1}
    with pytest.raises(ValueError, match="ollama"):
        merge_provider_fields(wire, {"ollama": {"name": "ada"}}, "openai")


# Histories


class Shows(Component[str]):
    def __init__(self, role=None, fails=False):
        self.role, self.fails = role, fails

    def format_for_llm(self):
        if self.fails:
            raise RuntimeError
        return TemplateRepresentation(self, {"x": "shown"}, template="{{ x }}", role=self.role)

    def _parse(self, computed):
        return str(computed)

    def __str__(self):
        return "by str"


class Unprintable:
    def __str__(self):
        raise RuntimeError


class Own(CBlock):
    pass


def history(*spans):
    ctx = SimpleContext()
    for span in spans:
        ctx = ctx.add(span)
    return ctx


def test_strict_history_refuses_what_is_no_message():
    with pytest.raises(AssertionError):
        as_chat_history(history(CBlock("x")))


def test_history_of_anything(caplog):
    said = ModelOutputThunk("7", parsed_repr=7)
    spans = [
        Message("system", "s"),
        CBlock("c"),
        Shows(),
        Shows("assistant"),
        Shows(fails=True),
        Own("own"),
        said,
    ]
    with caplog.at_level(logging.WARNING):
        told = [(m.role, m.content) for m in as_generic_chat_history(history(*spans, 3, Unprintable()))]
    assert told == [
        ("system", "s"),
        ("user", "c"),
        ("user", "shown"),
        ("assistant", "shown"),
        ("user", "by str"),
        ("user", "own"),
        ("assistant", "7"),
        ("user", "3"),
        ("user", "<Unprintable>"),
    ]
    assert "Unknown component type int" in caplog.text


def test_history_with_a_function_for_the_text_of_what_is_not_obvious():
    spans = [CBlock("c"), Own("own"), Shows(), ModelOutputThunk("7", parsed_repr=7), ModelOutputThunk("text")]
    told = [
        m.content for m in as_generic_chat_history(history(*spans), lambda obj: f"<{type(obj).__name__}>")
    ]
    assert told == ["c", "<Own>", "<Shows>", "<int>", "text"]


def test_history_with_a_formatter():
    told = as_generic_chat_history(history(CBlock("c"), ModelOutputThunk("a")), TemplateFormatter())
    assert [m.content for m in told] == ["c", "a"]


# Other components


def test_instruction_is_copied_with_a_repair_that_is_shown_last():
    instruction = Instruction("Do it.", requirements=["Short."], output_prefix="So:")
    assert instruction.format_for_llm().args["repair"] is None
    mended = instruction.copy_and_repair("It was too long.")
    assert mended.format_for_llm().args["repair"] == "It was too long."
    assert TemplateFormatter().print(mended).endswith("It was too long.")
    assert instruction.format_for_llm().args["repair"] is None
    assert type(mended) is Instruction


def test_query_and_transform_hold_the_object_alone():
    obj = MObject()
    query, transform = Query(obj, "why?"), Transform(obj, "shorten")
    assert (query.parts(), transform.parts()) == ([obj], [obj])
    assert query.format_for_llm().args == {"content": obj, "query": "why?"}
    assert transform.format_for_llm().args == {"content": obj, "transformation": "shorten"}


def test_simple_component_is_json_text():
    made = SimpleComponent(a="x", b=CBlock("y"), c=Document("z"), d=ModelOutputThunk("w"))
    shown = json.loads(made.format_for_llm())
    assert (shown["a"], shown["b"], shown["c"]["text"], shown["d"]) == ("x", "y", "z", "w")
    assert SimpleComponent.make_simple_string({"a": "x", "b": "y"}) == "<|a|>x</|a|>\n<|b|>y</|b|>"
    with pytest.raises(AssertionError):
        SimpleComponent(a=3)


class Store:
    def __init__(self):
        self.city = "Oslo"

    def __str__(self):
        return f"a store in {self.city}"


def test_mify_of_an_object_by_keyword_is_the_object_itself():
    store = Store()
    assert mify(obj=store, fields_include={"city"}) is store
    assert isinstance(store, Store)
    assert isinstance(store, MObjectProtocol)
    assert isinstance(store, Component)
    assert store._parse(ModelOutputThunk("x")) == "x"
    assert store.get_query_object("why?").parts() == [store]


def test_mified_objects_and_instances_of_mified_classes_are_components():
    for seen in (mify(Store()), mify(Store)()):
        assert isinstance(seen, MObjectProtocol)
        assert isinstance(seen, Component)


def test_old_name_of_the_stubs_warns_once():
    sys.modules.pop("mellea.stdlib.components.genslot", None)
    with pytest.warns(DeprecationWarning, match="genstub") as caught:
        slots = importlib.import_module("mellea.stdlib.components.genslot")
    assert len(caught) == 1
    assert slots.generative is importlib.import_module("mellea.stdlib.components.genstub").generative
