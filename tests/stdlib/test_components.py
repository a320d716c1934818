import json

import pytest

from mellea.core import CBlock, ImageBlock, Message, ModelOutputThunk, TemplateError, UsageError
from mellea.core.templates import TemplateFormatter
from mellea.stdlib.components import (
    Document,
    Instruction,
    SimpleComponent,
    as_chat_history,
    as_generic_chat_history,
)
from mellea.stdlib.context import ChatContext
from mellea.testing import ScriptedBackend
from tests.core.test_blocks import PNG

shown = TemplateFormatter().print


def test_instruction_of_a_description_is_the_description():
    assert shown(Instruction("Write a poem.")) == "Write a poem."


def test_instruction_shows_its_parts_in_order():
    instruction = Instruction(
        "Write.",
        ["be short"],
        ["A haiku"],
        {"season": "autumn"},
        prefix="You are a poet.",
        output_prefix="Leaves",
    )
    text = shown(instruction)
    parts = ["You are a poet.", "Write.", "- be short", "A haiku", "season = autumn", "Leaves"]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_user_variables_fill_what_the_author_of_the_program_writes():
    instruction = Instruction(
        "d {{v}}", ["r {{v}}"], ["e {{v}}"], {"g": CBlock("g {{v}}")}, {"v": 1}, "p {{v}}", "o {{v}}"
    )
    text = shown(instruction)
    assert ("d 1" in text, "r 1" in text, "p 1" in text, "o 1" in text) == (True, True, True, True)
    assert ("e {{v}}" in text, "g {{v}}" in text) == (True, True)


def test_texts_without_user_variables_are_no_templates():
    assert shown(Instruction("{{ as it is }}")) == "{{ as it is }}"


def test_missing_user_variable_is_an_error_at_once():
    with pytest.raises(TemplateError, match="name"):
        Instruction("Dear {{name}}", user_variables={})


def test_lists_of_the_caller_are_left_alone():
    requirements, grounding = ["r {{v}}"], {"g": "g {{v}}"}
    Instruction("d", requirements, grounding_context=grounding, user_variables={"v": 1})
    assert (requirements, grounding) == (["r {{v}}"], {"g": "g {{v}}"})


@pytest.mark.parametrize("name", ["requirements", "icl_examples", "images", "audio"])
def test_one_text_where_a_list_belongs_is_refused(name):
    with pytest.raises(UsageError, match=rf"Pass a list: {name}="):
        Instruction("d", **{name: "text"})


def test_grounding_context_without_names_is_refused():
    with pytest.raises(UsageError, match="mapping"):
        Instruction("d", grounding_context=["fact"])


@pytest.mark.parametrize("part", [5, object()])
def test_part_that_is_no_span_is_refused(part):
    with pytest.raises(UsageError, match="no part of a prompt"):
        Instruction("d", icl_examples=[part])
    with pytest.raises(UsageError, match="no requirement"):
        Instruction("d", [part])


def test_instruction_contains_all_its_parts():
    pending = ModelOutputThunk()
    instruction = Instruction("d", ["r"], grounding_context={"p": pending}, images=[PNG])
    assert pending in instruction.parts()
    assert ImageBlock(PNG) in instruction.parts()


def test_instruction_reads_its_answer_as_text():
    assert Instruction("d").parse(ModelOutputThunk("x")) == "x"


def test_instruction_fills_templates_for_programs_that_ask():
    assert Instruction.apply_user_dict_from_jinja({"a": "b"}, "{{a}}") == "b"


def test_simple_component_is_one_json_object():
    component = SimpleComponent(a="x", b=Document("text"), c=ModelOutputThunk("y"))
    assert json.loads(shown(component)) == {
        "a": "x",
        "b": {"text": "text", "title": None, "doc_id": None},
        "c": "y",
    }
    assert len(component.parts()) == 3
    assert component.parse(ModelOutputThunk("z")) == "z"


def test_simple_component_shows_text_as_it_is_but_for_the_quotes_of_json():
    assert shown(SimpleComponent(a='"<&\nüß')) == r'{"a": "\"<&\nüß"}'


@pytest.mark.parametrize(
    ("document", "text"),
    [(Document("t"), "t"), (Document("t", "T"), "[T]\nt"), (Document("t", doc_id="1"), "[1]\nt")],
)
def test_document_shows_what_it_is_called(document, text):
    assert shown(document) == text


async def test_history_is_the_messages_that_were_said():
    thunk, ctx = await ScriptedBackend("hello").generate_from_context(Message("user", "hi"), ChatContext())
    await thunk.avalue()
    assert as_chat_history(ctx) == [Message("user", "hi"), Message("assistant", "hello")]


def test_history_of_something_else_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match="as_generic_chat_history"):
        as_chat_history(ChatContext().add(CBlock("x")))


def test_generic_history_turns_anything_into_messages():
    ctx = ChatContext().add(Instruction("do it")).add(ModelOutputThunk("done"))
    assert as_generic_chat_history(ctx) == [Message("user", "do it"), Message("assistant", "done")]


def test_examples_and_grounding_are_data_even_where_they_look_like_templates():
    page = "body {{x} .a { color: {{ token }} } {% for i in range(9) %}x{% endfor %}"

    instruction = Instruction(
        "Summarise for {{name}}.",
        grounding_context={"page": page},
        icl_examples=[page],
        user_variables={"name": "Olivia", "token": "secret"},
    )
    shown = TemplateFormatter().print(instruction)

    assert "Summarise for Olivia." in shown
    assert shown.count(page) == 2
