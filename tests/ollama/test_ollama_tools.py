"""Tools on an Ollama server: by its protocol where the model's template knows them, else by constraint."""

import json

import pytest

from mellea import ChatContext, MelleaSession, ModelOption
from mellea.stdlib.tools import ToolRunner, tool
from tests.ollama.played import line, stream, whole

ROOM = {ModelOption.MAX_NEW_TOKENS: 80, ModelOption.TEMPERATURE: 0.0}


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def words(**args):
    return f"<tool_call>\n{json.dumps({'name': 'weather', 'arguments': args})}\n</tool_call>"


def call(name, place=0, **args):
    return {"id": f"call_{place}", "function": {"index": place, "name": name, "arguments": args}}


@pytest.fixture
def m(make):
    return MelleaSession(make("smoltools", model_options=ROOM), ChatContext())


def test_model_that_knows_tools_is_asked_by_the_protocol(m, server):
    server.words += [words(city="Rome"), "It is sunny."]

    assert m.chat("Weather in Rome?", tools=[weather], tool_loop=True) == "It is sunny."

    first, second = server.sent("/api/chat")
    assert first["tools"] == [weather.as_json_tool]
    asked, result = second["messages"][1:]
    assert asked["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"city": "Rome"}}
    assert (result["role"], result["tool_name"], result["content"]) == ("tool", "weather", "sunny in Rome")


def test_streamed_call_is_read(m, server):
    server.words.append(words(city="Oslo"))

    answer = m.stream_chat("Weather in Oslo?", tools=[weather])
    list(answer)

    (asked,) = answer.tool_calls
    assert (asked.name, asked.args) == ("weather", {"city": "Oslo"})


def test_model_without_a_template_for_tools_calls_them_by_constraint(make, server):
    with MelleaSession(make(model_options=ROOM), ChatContext()) as m:
        output = m.act("Weather in Paris?", tools=[weather], tool_loop=False)

        (sent,) = server.sent("/api/chat")
        assert "tools" not in sent
        assert "anyOf" in sent["format"]
        assert output.tool_calls or str(output)


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_call_is_forced_by_constraint(m, server, choice):
    output = m.act(
        "Weather in Paris?", tools=[weather], tool_loop=False, model_options={ModelOption.TOOL_CHOICE: choice}
    )

    (asked,) = output.tool_calls
    assert isinstance(weather.arguments(asked.args)["city"], str)
    assert "tools" not in server.sent("/api/chat")[0]


def test_no_tools_are_sent_where_none_may_be_called(m, server):
    m.chat("Hello.", tools=[weather], model_options={ModelOption.TOOL_CHOICE: "none"})

    assert "tools" not in server.sent("/api/chat")[0]


TOOLS = {"smollm2:latest": ["completion", "tools"]}


def test_several_calls_keep_their_order(play, played):
    played.models = TOOLS
    lines = [
        line(message={"role": "assistant", "content": "", "tool_calls": [call("weather", place, city=city)]})
        for place, city in enumerate(["Rome", "Oslo"])
    ]
    m = play(stream(*lines, line(done=True)), whole("Sunny."), ctx=ChatContext())

    answer = m.stream_chat("Go.", tools=[weather])
    list(answer)

    assert [asked.args["city"] for asked in answer.tool_calls] == ["Rome", "Oslo"]


def test_calls_without_numbers_are_calls_of_their_own(play, played):
    played.models = TOOLS
    bare = [{"function": {"name": "weather", "arguments": {"city": city}}} for city in ("Rome", "Oslo")]
    lines = [line(message={"role": "assistant", "content": "", "tool_calls": [one]}) for one in bare]
    m = play(stream(*lines, line(done=True)), ctx=ChatContext())

    answer = m.stream_chat("Go.", tools=[weather])
    list(answer)

    assert [asked.args["city"] for asked in answer.tool_calls] == ["Rome", "Oslo"]


def test_whole_answer_that_is_a_call_is_no_empty_one(play, played):
    played.models = TOOLS
    calling = {"role": "assistant", "content": "", "tool_calls": [call("weather", city="Rome")]}
    m = play(whole(message=calling, eval_count=0), whole("Sunny."), ctx=ChatContext())

    assert m.chat("Go.", tools=[weather], tool_loop=ToolRunner()) == "Sunny."
