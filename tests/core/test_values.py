import json
from collections.abc import Callable
from typing import Generic, TypeVar

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import (
    AudioBlock,
    CBlock,
    Chunk,
    Completion,
    ImageBlock,
    Message,
    ModelOutputThunk,
    ModelToolCall,
    OutputParseError,
    OutputSchema,
    TemplateRepresentation,
    Usage,
    UsageError,
    blockify,
    generate_walk,
    get_audio_from_component,
    get_images_from_component,
)
from tests.core.test_blocks import PNG, WAV

T = TypeVar("T")


class User(pydantic.BaseModel):
    name: str
    age: int


class Box(pydantic.BaseModel, Generic[T]):
    content: T


class Unserialisable(pydantic.BaseModel):
    function: Callable[[], int]


class Holder:
    """A component by its shape alone."""

    def __init__(self, *parts):
        self._parts = list(parts)

    def parts(self):
        return self._parts

    def format_for_llm(self):
        return " ".join(str(part) for part in self._parts)


def test_pieces_join_to_a_completion():
    pieces = [Chunk("Hel", usage=Usage(3, 1)), Chunk("lo", finish_reason="stop"), Chunk(usage=Usage(3, 2))]

    assert Completion.joined(pieces) == Completion("Hello", "stop", Usage(3, 2))
    assert Completion.joined([]) == Completion("")


def test_joined_completion_has_the_scores_of_its_pieces():
    raw, drawn = object(), object()
    joined = Completion.joined([Chunk("x"), Chunk(logits=drawn, raw_logits=raw)])
    assert (joined.logits, joined.raw_logits) == (drawn, raw)


def test_message_reads_its_answer_as_an_assistant_message():
    assert Message("user", "hi").parse(ModelOutputThunk("hello")) == Message("assistant", "hello")


def test_message_refuses_an_unknown_role():
    with pytest.raises(UsageError, match="one of system, user, assistant, tool"):
        Message("robot", "hi")


def test_message_refuses_content_that_is_no_text():
    with pytest.raises(UsageError, match="not int"):
        Message("user", 5)


def test_message_contains_its_documents_and_media():
    image, document = ImageBlock(PNG), CBlock("text")
    assert Message("user", "look", images=[image], documents=[document]).parts()[1:] == [document, image]


def test_message_does_not_share_the_callers_list():
    images = [ImageBlock(PNG)]
    message = Message("user", "look", images=images)
    images.clear()
    assert len(message.images) == 1


def test_media_are_found_in_a_component():
    message = Message("user", "x", images=[ImageBlock(PNG)], audio=[AudioBlock(WAV, "wav")])
    assert get_images_from_component(message) == [ImageBlock(PNG)]
    assert get_audio_from_component(message) == [AudioBlock(WAV, "wav")]
    assert get_images_from_component(Holder(CBlock("x"))) is None
    assert get_audio_from_component(Message("user", "x")) is None


def test_tool_call_runs_its_tool():
    class Adder:
        def run(self, a, b):
            return a + b

    assert ModelToolCall("add", Adder(), {"a": 1, "b": 2}).call_func() == 3


def test_template_representation_defaults_to_nothing():
    representation = TemplateRepresentation(obj=None)
    assert dict(representation.args) == {}
    assert (representation.template, representation.role, representation.images) == (None, None, None)


def test_text_becomes_a_block_and_spans_stay():
    holder, thunk = Holder(), ModelOutputThunk("x")
    assert blockify("a") == CBlock("a")
    assert blockify(holder) is holder
    assert blockify(thunk) is thunk


def test_what_is_no_span_is_refused():
    with pytest.raises(UsageError, match="int is no part of a prompt"):
        blockify(5)


def test_walk_finds_the_outputs_that_are_not_computed_at_any_depth():
    pending, computed = ModelOutputThunk(), ModelOutputThunk("x")
    assert generate_walk(Holder(Holder(pending, CBlock("a")), computed)) == [pending]


def test_walk_refuses_a_foreign_part():
    with pytest.raises(UsageError, match="contains int"):
        generate_walk(Holder(5))


def test_schema_of_a_pydantic_class_gives_instances():
    schema = OutputSchema.of(User)
    assert schema.name == "User"
    assert schema.parse('{"name": "Ada", "age": 36}') == User(name="Ada", age=36)


def test_schema_of_a_class_is_made_once():
    assert OutputSchema.of(User) is OutputSchema.of(User)


def test_schema_of_a_mapping_gives_plain_values():
    schema = OutputSchema.of({"title": "my list!", "type": "array"})
    assert schema.name == "my_list"
    assert schema.parse("[1]") == [1]


def test_schema_is_asked_for_with_its_letters_as_they_are():
    schema = OutputSchema.of({"title": "Größe", "enum": ["größe", "日本語"]})
    assert schema.prompt().endswith(':\n{"title": "Größe", "enum": ["größe", "日本語"]}')


@pytest.mark.parametrize("format", [Box[int], {"title": "Böx [ä]", "type": "object"}, {"title": "?"}, {}])
def test_schema_names_are_what_every_provider_takes(format):
    assert set(OutputSchema.of(format).name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    )
    assert OutputSchema.of(format).name


@pytest.mark.parametrize("format", [5, "User", int, [User], User(name="Ada", age=1)])
def test_anything_else_is_no_format(format):
    with pytest.raises(UsageError, match="no output format"):
        OutputSchema.of(format)


def test_class_without_a_json_schema_is_refused_by_name():
    with pytest.raises(UsageError, match="Unserialisable has no JSON schema"):
        OutputSchema.of(Unserialisable)


@pytest.mark.parametrize(
    "text", ["", "no json", '{"name": "Ada"}', '{"name": "Ada", "age": "x"}', '{"name": "Ad']
)
def test_text_that_does_not_fit_is_an_error_of_the_model(text):
    with pytest.raises(OutputParseError, match="The output is no User") as caught:
        OutputSchema.of(User).parse(text)
    assert isinstance(caught.value, ValueError)


def test_bottomless_json_is_an_error_of_the_model():
    with pytest.raises(OutputParseError):
        OutputSchema.of({"type": "array"}).parse("[" * 200_000)


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none())))
def test_plain_schema_reads_any_json(value):
    assert OutputSchema.of({"type": "object"}).parse(json.dumps(value)) == value


def test_usage_reads_like_a_mapping():
    usage = Usage(3, 4, cached_tokens=2)
    assert usage["total_tokens"] == 7
    assert dict(usage) == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "cached_tokens": 2,
        "reasoning_tokens": 0,
    }
    assert usage.get("prompt_tokens") == 3
    assert usage.get("cost", 5) == 5
    with pytest.raises(KeyError):
        usage["cost"]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_usage_totals_what_was_read_and_written(read, written):
    assert Usage(read, written).total_tokens == read + written


def test_chunks_compare_without_the_providers_value():
    assert Chunk("a", raw=object()) == Chunk("a", raw=object())
