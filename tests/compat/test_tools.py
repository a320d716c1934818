"""Tools as programs of the 0.8 line use them."""

import importlib

import pytest
from pydantic import ValidationError

from mellea import ChatContext, MelleaSession, ModelOption, mfuncs
from mellea.backends import MelleaTool, tool
from mellea.backends.tools import (
    CODE_FIELD_PRIORITY,
    add_tools_from_context_actions,
    add_tools_from_model_options,
    convert_tools_to_json,
    get_code_field_from_schema,
    json_extraction,
    parse_tools,
    validate_tool_arguments,
)
from mellea.core import AbstractMelleaTool, Capability, Message, ModelToolCall, ToolMessage
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.components.mobject import Query
from mellea.stdlib.functional import acall_tools, call_tools
from mellea.testing import Reply, ScriptedBackend


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


class Look(AbstractMelleaTool):
    name = "look"

    def run(self, **given):
        return given

    @property
    def as_json_tool(self):
        return {
            "type": "function",
            "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
        }


def test_names_are_where_programs_import_them_from():
    for module, names in {
        "mellea.backends": "MelleaTool tool",
        "mellea.backends.tools": "MelleaTool tool parse_tools json_extraction",
        "mellea.core.base": "AbstractMelleaTool ModelToolCall",
        "mellea.stdlib.components": "ToolMessage",
        "mellea.stdlib.components.chat": "ToolMessage",
        "mellea.stdlib.functional": "call_tools acall_tools _call_tools _acall_tools",
        "mellea.stdlib.tools": "MelleaTool",
    }.items():
        assert all(hasattr(importlib.import_module(module), name) for name in names.split())


def test_tool_of_three_parts():
    made = MelleaTool("x", lambda *a, **k: (a, k), {"type": "function", "function": {"name": "x"}})

    assert made.run(1, b=2) == ((1,), {"b": 2})
    made.as_json_tool["function"].clear()
    assert made.as_json_tool["function"] == {"name": "x"}


def output(*calls):
    return ModelOutputThunk("", tool_calls=list(calls))


def test_calls_are_carried_out_one_message_each():
    def fail() -> None:
        raise LookupError("no such thing")

    calls = [
        ModelToolCall("add", add, {"a": 1, "b": 2}, "c1"),
        ModelToolCall("fail", tool(fail), {}, "c2"),
        ModelToolCall("look", Look(), {"x": 1}, "c3"),
    ]

    messages = call_tools(output(*calls), ScriptedBackend())

    assert [type(message) for message in messages] == [ToolMessage] * 3
    assert [message.content for message in messages] == ["3", "no such thing", '{"x": 1}']
    assert [message.tool_call_id for message in messages] == ["c1", "c2", "c3"]
    assert isinstance(messages[1]._tool_output, LookupError)
    assert call_tools(output(), ScriptedBackend()) == []


async def test_program_writes_the_rounds_itself():
    backend = ScriptedBackend(
        [Reply("", tool_calls=[("add", {"a": 1})]), "Two."], capabilities=[Capability.TOOLS]
    )
    options = {ModelOption.TOOLS: [add]}

    first, ctx = await mfuncs.aact(
        Message("user", "1 + 1?"), ChatContext(), backend, model_options=options, tool_calls=True
    )
    await first.avalue()
    *before, last = await acall_tools(first, backend)
    for message in before:
        ctx = ctx.add(message)
    answer, _ = await mfuncs.aact(last, ctx, backend, await_result=True)

    assert answer.value == "Two."
    assert last.arguments == {"a": 1}


def test_chat_with_tool_calls_returns_a_message_with_calls_in_the_shape_of_openai():
    backend = ScriptedBackend([Reply("", tool_calls=[("add", {"a": 1})])], capabilities=[Capability.TOOLS])

    answer = MelleaSession(backend).chat(
        "Go.", model_options={ModelOption.TOOLS: {"add": add}}, tool_calls=True
    )

    assert answer.tool_calls[0]["function"]["name"] == "add"


def test_tools_are_offered_only_when_they_may_be_called():
    backend = ScriptedBackend("x", capabilities=[Capability.TOOLS])

    MelleaSession(backend).chat("Go.", model_options={ModelOption.TOOLS: [add]})

    assert backend.requests[0].tools == ()


def test_later_tools_of_a_name_win():
    class Thing:
        """A thing."""

        def add(self, x: int) -> int:
            """Add to the thing."""
            return x

    backend = ScriptedBackend("x", capabilities=[Capability.TOOLS])

    MelleaSession(backend).query(Thing(), "?", tool_calls=True, model_options={ModelOption.TOOLS: [add]})

    (offered,) = backend.requests[0].tools
    assert offered.description == "Add to the thing."


@pytest.mark.parametrize("wrong", [{"a": "many"}, {}])
def test_arguments_that_do_not_fit(wrong):
    assert validate_tool_arguments(add, wrong) == wrong
    with pytest.raises(ValidationError):
        validate_tool_arguments(add, wrong, strict=True)


def test_arguments_that_fit_are_read():
    assert validate_tool_arguments(add, {"a": "30", "more": 1}) == {"a": 30, "more": 1}
    with pytest.raises(ValidationError):
        validate_tool_arguments(add, {"a": "30"}, coerce_types=False, strict=True)


def test_tools_are_collected():
    tools = {}
    add_tools_from_model_options(tools, {ModelOption.TOOLS: [add, Look()]})
    add_tools_from_context_actions(tools, [Message("user", "x"), Query(Message("user", "y"), "?")])
    add_tools_from_context_actions(tools, None)

    assert list(tools) == ["add", "look"]
    assert [one["function"]["name"] for one in convert_tools_to_json(tools)] == ["add", "look"]
    for wrong in ([3], "add", 3):
        with pytest.raises(AssertionError):
            add_tools_from_model_options({}, {ModelOption.TOOLS: wrong})


def test_field_of_code_is_found_by_the_schema():
    def run(script: str, query: str) -> None: ...

    assert get_code_field_from_schema(ModelToolCall("run", tool(run))) == "query"
    assert get_code_field_from_schema(ModelToolCall("add", add)) is None
    assert get_code_field_from_schema(None) is None
    assert CODE_FIELD_PRIORITY[0] == "code"


def test_calls_are_found_in_a_text():
    nested = '{"tool_calls": [{"name": "look", "arguments": {"text": "a  b"}}]}'
    text = f'First {nested} then {{"name": "add", "parameters": {{}}}}'

    assert parse_tools(text) == [("look", {"text": "a  b"}), ("add", {})]
    assert list(json_extraction("a {1} [2] {")) == [[2]]


def test_tool_of_langchain():
    from langchain_core.tools import tool as langchain_tool

    @langchain_tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    made = MelleaTool.from_langchain(multiply)

    assert (made.name, made.run(a=2, b=3)) == ("multiply", 6)
    assert made.as_json_tool["function"]["description"] == "Multiply two numbers."
    assert made.run(**made.arguments({"a": "2", "b": 3})) == 6
    with pytest.warns(UserWarning, match="multiply: ignoring unexpected args"):
        made.run(1, a=2, b=3)
    with pytest.raises(ValueError, match="LangChain"):
        MelleaTool.from_langchain(add)


def test_tool_of_smolagents():
    from smolagents import Tool

    class Shout(Tool):
        name = "shout"
        description = "Shouts."
        inputs = {"text": {"type": "string", "description": "What."}}  # noqa: RUF012
        output_type = "string"

        def forward(self, text: str) -> str:
            return text.upper()

    made = MelleaTool.from_smolagents(Shout())

    assert (made.name, made.run(text="hi")) == ("shout", "HI")
    with pytest.raises(ValueError, match="smolagents Tool"):
        MelleaTool.from_smolagents(add)
