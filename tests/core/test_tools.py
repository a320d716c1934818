"""Fragments of calls, arguments by a schema, and tools by constraint."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import Capability, Chunk, Message, ModelToolCall, ToolArgumentsError, ToolMessage, UsageError
from mellea.core.schema import OutputSchema
from mellea.core.schema_check import misfit
from mellea.core.tool import Tool
from mellea.core.tool_arguments import check_by_schema
from mellea.core.tool_call import CallAssembler, ToolCallFragment
from mellea.core.tool_constraint import ConstrainedReader, answer_schema, told_as_text, with_tools_told
from mellea.core.tool_offer import ToolOffer
from mellea.helpers import should_replay_reasoning
from mellea.stdlib.context import ChatContext
from mellea.testing import ScriptedBackend


def made(name, properties=None, **more):
    parameters = {"type": "object", "properties": properties or {}, "required": [*(properties or {})], **more}
    described = {"name": name, "description": f"{name} things", "parameters": parameters}
    return Tool(name, lambda **given: given, {"type": "function", "function": described})


LOOK = made("look", {"city": {"type": "string"}})
TREE = made(
    "plant",
    {"tree": {"$ref": "#/$defs/Tree"}},
    **{"$defs": {"Tree": {"type": "object", "properties": {"sub": {"$ref": "#/$defs/Tree"}}}}},
)
BOTH = {"look": LOOK, "plant": TREE}


# Fragments


def put_together(*fragments, tools=BOTH):
    assembler = CallAssembler()
    for fragment in fragments:
        assembler.feed([fragment])
    return [(call.name, dict(call.args), call.tool_call_id, call.problem) for call in assembler.calls(tools)]


@given(st.text(), st.data())
def test_arguments_are_the_same_however_they_are_cut(city, data):
    text = json.dumps({"city": city})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    (call,) = put_together(
        ToolCallFragment(0, "c1", "look"), *[ToolCallFragment(0, None, "", piece) for piece in pieces]
    )

    assert call == ("look", {"city": city}, "c1", None)


def test_server_that_numbers_every_call_zero_begins_another_with_another_id():
    calls = put_together(
        ToolCallFragment(0, "a", "look", '{"city": "Rome"}'),
        ToolCallFragment(0, "b", "look", '{"city": "Oslo"}'),
    )

    assert [(number, args["city"]) for _, args, number, _ in calls] == [("a", "Rome"), ("b", "Oslo")]


def test_name_may_come_again_or_in_pieces():
    again = put_together(ToolCallFragment(0, "a", "look", "{"), ToolCallFragment(0, "a", "look", "}"))
    pieces = put_together(ToolCallFragment(0, "a", "lo"), ToolCallFragment(0, None, "ok", "{}"))

    assert [again[0][0], pieces[0][0]] == ["look", "look"]


def test_call_without_an_id_gets_one():
    ((_, _, number, _),) = put_together(ToolCallFragment(0, None, "look", {"city": "Rome"}))

    assert number.startswith("call_")
    assert len(number) == 29


@pytest.mark.parametrize(
    "wrong",
    [{"index": "0"}, {"name": None}, {"tool_call_id": 3}, {"arguments": [1]}, {"index": True}],
)
def test_fragment_of_another_type_is_refused(wrong):
    with pytest.raises(TypeError):
        ToolCallFragment(**wrong)
    with pytest.raises(TypeError):
        Chunk(tool_calls=[ToolCallFragment()])


def test_call_is_copied_with_its_tool_and_pickled_without_what_cannot_be():
    call = ModelToolCall("look", LOOK, {"city": ["Rome"]}, "c1")

    twins = copy.copy(call), copy.deepcopy(call)
    twins[1].args["city"].append("Oslo")

    assert [twin.func for twin in twins] == [LOOK, LOOK]
    assert call.args == {"city": ["Rome"]}
    assert pickle.loads(pickle.dumps(call)).func is None


# Arguments by a schema

NESTED = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer"},
        "x": {"type": ["number", "null"]},
        "on": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        "deep": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}},
    },
    "$defs": {"N": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"n": "30"}, {"n": 30}),
        ({"n": 1, "x": "1.5", "on": "True"}, {"n": 1, "x": 1.5, "on": True}),
        ({"n": 1, "x": "null"}, {"n": 1, "x": None}),
        ({"n": 1, "list": ["1", 2]}, {"n": 1, "list": [1, 2]}),
        ({"n": 1, "list": "[1, 2]"}, {"n": 1, "list": [1, 2]}),
        ({"n": 1, "either": "7"}, {"n": 1, "either": 7}),
        ({"n": 1, "deep": {"n": "7", "more": "8"}}, {"n": 1, "deep": {"n": 7, "more": "8"}}),
        ({"n": 1, "deep": '{"n": "7"}'}, {"n": 1, "deep": {"n": 7}}),
    ],
)
def test_texts_are_read_as_what_the_schema_wants(given, read):
    assert check_by_schema("f", NESTED, given) == read


@pytest.mark.parametrize("given", [{}, {"n": "many"}, {"n": 1, "list": ["x"]}, {"n": 1, "deep": "{"}])
def test_what_does_not_fit_is_told(given):
    with pytest.raises(ToolArgumentsError, match="The arguments of f do not fit: "):
        check_by_schema("f", NESTED, given)


def test_reasoning_is_sent_back_with_calls_alone():
    calls = [ModelToolCall("look", LOOK)]
    messages = [
        Message("user", "x", thinking="t"),
        Message("assistant", "x", thinking="t"),
        Message("assistant", "x", tool_calls=calls),
        Message("assistant", "x", thinking="t", tool_calls=calls),
    ]

    assert should_replay_reasoning(messages, None) == [False, False, False, True]


# By constraint


def fits(value, offer, format=None):
    schema = answer_schema(offer, format)
    assert not schema.json_schema.get("$ref")
    return misfit(value, schema.json_schema) is None


def test_schema_lets_a_model_call_or_answer():
    offer = ToolOffer(BOTH)

    assert fits({"tool": "look", "arguments": {"city": "Rome"}}, offer)
    assert fits({"tool": "plant", "arguments": {"tree": {"sub": {"sub": {}}}}}, offer)
    assert fits({"answer": "Hello."}, offer)
    assert not fits({"tool": "look", "arguments": {}}, offer)
    assert not fits({"tool": "look", "arguments": {"city": "Rome", "country": "Italy"}}, offer)
    assert not fits({"tool": "fly", "arguments": {}}, offer)
    assert not fits({"answer": "Hello.", "tool": "look"}, offer)


def test_choice_narrows_the_schema():
    required, named = ToolOffer(BOTH, "required"), ToolOffer(BOTH, "look").chosen()

    assert not fits({"answer": "Hello."}, required)
    assert fits({"tool": "look", "arguments": {"city": "x"}}, named)
    assert not fits({"tool": "plant", "arguments": {"tree": {}}}, named)


def test_several_calls_stand_in_a_list():
    offer = ToolOffer({"look": LOOK}, several=True)
    one = {"tool": "look", "arguments": {"city": "x"}}

    assert fits({"calls": [one, one]}, offer)
    assert not fits({"calls": []}, offer)


def test_answer_has_the_format_asked_for():
    node = {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "object", "required": ["leaf"]}}}
    offer = ToolOffer(BOTH)

    assert fits({"answer": {"leaf": 1}}, offer, OutputSchema("tree", node))
    assert not fits({"answer": {}}, offer, OutputSchema("tree", node))


def test_conversation_becomes_plain_text():
    call = ModelToolCall("look", LOOK, {"city": "Rome"}, "c1")
    messages = [
        Message("user", "Weather?"),
        Message("assistant", "", tool_calls=[call]),
        ToolMessage("tool", "sunny", "sunny", "look", {}, call),
        Message("tool", "rain", tool_name="look"),
        Message("assistant", "Both."),
    ]

    told = told_as_text(messages, as_json=True)

    assert [(one.role, one.content) for one in told] == [
        ("user", "Weather?"),
        ("assistant", '{"tool":"look","arguments":{"city":"Rome"}}'),
        ("user", "Result of look: sunny\nResult of look: rain"),
        ("assistant", '{"answer":"Both."}'),
    ]
    assert all(not one.tool_calls for one in told)


def test_tools_are_told_in_the_system_message():
    told = with_tools_told([Message("system", "Be brief."), Message("user", "x")], ToolOffer(BOTH), None)

    assert [one.role for one in told] == ["system", "user"]
    assert "- look: look things Arguments: " in told[0].content
    assert told[0].content.endswith("Be brief.")


def read(*pieces, answers_text=True):
    reader = ConstrainedReader(answers_text=answers_text)
    text = [reader.feed(piece) for piece in pieces]
    text.append(reader.end())
    return "".join(text), [(one.name, one.arguments) for one in reader.fragments]


@given(st.text(), st.data())
def test_answer_is_the_same_however_it_is_cut(said, data):
    text = json.dumps({"answer": said}, ensure_ascii=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))

    shown, calls = read(*[text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)])

    assert (shown, calls) == (said.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), [])


def test_answer_streams():
    reader = ConstrainedReader(answers_text=True)

    assert [reader.feed(piece) for piece in ('{"ans', 'wer": "It', " is", ' su"', "}")] == [
        "",
        "It",
        " is",
        " su",
        "",
    ]


@pytest.mark.parametrize(
    ("written", "shown", "calls"),
    [
        ('{"tool": "look", "arguments": {"city": "x"}}', "", [("look", {"city": "x"})]),
        ('{"tool": "look"}', "", [("look", {})]),
        ('{"calls": [{"tool": "a", "arguments": {}}, {"tool": "b"}]}', "", [("a", {}), ("b", {})]),
        ('{"tool": "look", "arguments": {"city": "x', "", [("look", '{"city": "x')]),
        ("I would rather talk.", "I would rather talk.", []),
        ('{"weather": 3}', '{"weather": 3}', []),
        ('```json\n{"tool": "look", "arguments": {}}\n```', "", [("look", {})]),
        ("", "", []),
        ('{"calls": []}', '{"calls": []}', []),
    ],
)
def test_what_a_model_writes_is_parted(written, shown, calls):
    assert read(written) == (shown, calls)


def test_answer_of_a_format_is_its_json():
    assert read('{"answer": {"leaf": "ä"}}', answers_text=False) == ('{"leaf": "ä"}', [])
    assert read('{"answer": "text"}', answers_text=False) == ('"text"', [])


async def test_backend_with_schemas_alone_has_tools():
    backend = ScriptedBackend(
        '{"tool": "look", "arguments": {"city": 5}}', capabilities=[Capability.JSON_SCHEMA]
    )

    thunk, _ = await backend.generate_from_context(
        Message("user", "Weather?"), ChatContext(), model_options={"@@@tools@@@": [LOOK]}, tool_calls=True
    )
    await thunk.avalue()

    assert thunk.value == ""
    assert [(call.name, call.func) for call in thunk.tool_calls] == [("look", LOOK)]
    assert backend.requests[0].tools == ()


async def test_history_of_tools_is_text_where_nothing_is_offered():
    backend = ScriptedBackend("Fine.", capabilities=[Capability.JSON_SCHEMA])
    ctx = (
        ChatContext()
        .add(Message("user", "x"))
        .add(Message("assistant", "", tool_calls=[ModelToolCall("look", LOOK)]))
    )

    thunk, _ = await backend.generate_from_context(Message("tool", "sunny", tool_name="look"), ctx)
    await thunk.avalue()

    assert [one.role for one in backend.requests[0].messages] == ["user", "assistant", "user"]
    assert backend.requests[0].schema is None


async def test_function_that_is_no_tool_says_how_to_make_one():
    backend = ScriptedBackend("x", capabilities=[Capability.TOOLS])

    thunk, _ = await backend.generate_from_context(
        Message("user", "x"), ChatContext(), model_options={"@@@tools@@@": [print]}, tool_calls=True
    )
    with pytest.raises(UsageError, match=r"print is no tool. Make one"):
        await thunk.avalue()


async def test_model_that_may_call_no_more_is_held_to_an_answer():
    backend = ScriptedBackend('{"answer": "Sunny."}', capabilities=[Capability.JSON_SCHEMA])
    ctx = ChatContext().add(Message("assistant", "", tool_calls=[ModelToolCall("look", LOOK)]))
    options = {"@@@tools@@@": [LOOK], "tool_choice": "none"}

    thunk, _ = await backend.generate_from_context(
        Message("tool", "sunny", tool_name="look"), ctx, model_options=options, tool_calls=True
    )

    assert await thunk.avalue() == "Sunny."
    (sent,) = backend.requests
    assert list(sent.schema.json_schema["properties"]) == ["answer"]
    assert "look things" not in sent.messages[0].content
