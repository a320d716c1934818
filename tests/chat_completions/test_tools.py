"""Tools over chat-completions: how they are sent, and how calls come."""

import json

import pytest

from mellea import ChatContext, ModelOption
from mellea.core import CapabilityError
from mellea.core.errors import MalformedResponseError
from mellea.stdlib.tools import tool
from tests.chat_completions.routes import through_the_sdk
from tests.chat_completions.test_content import DONE, event, message
from tests.servers.faults import Reply


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@pytest.fixture
def m(open_faulty):
    return open_faulty(ctx=ChatContext(), native_tools=True)


def call(number, name, arguments, **fields):
    return {
        "id": number,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
        **fields,
    }


CALLING = Reply(message("tool_calls", content=None, tool_calls=[call("c1", "weather", '{"city": "Rome"}')]))
ANSWER = Reply(message(content="Sunny."))


def fragments(*deltas, finish="tool_calls"):
    pieces = [event(choices=[{"index": 0, "delta": {"tool_calls": [one]}}]) for one in deltas]
    end = event(choices=[{"index": 0, "delta": {}, "finish_reason": finish}])
    return Reply([*pieces, end, DONE])


def test_round_of_tools_is_sent_as_the_protocol_says(faults, m):
    faults.answers(CALLING, ANSWER)

    assert m.chat("Weather in Rome?", tools=[weather], tool_loop=True) == "Sunny."

    first, second = faults.requests
    assert first["tools"] == [weather.as_json_tool]
    assert first.get("tool_choice", "auto") == "auto"
    _, asked, result = second["messages"]
    assert asked["role"] == "assistant"
    assert not asked.get("content")
    assert asked["tool_calls"] == [call("c1", "weather", '{"city": "Rome"}')]
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "c1", "sunny in Rome")


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"),
        ("none", "none"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_choice_is_sent_as_the_protocol_says(faults, m, choice, sent):
    faults.answers(ANSWER)

    m.chat("Go.", tools=[weather], model_options={ModelOption.TOOL_CHOICE: choice})

    assert faults.requests[0]["tool_choice"] == sent


def called(m, text="Go."):
    thunk = m.stream_chat(text, tools=[weather])
    list(thunk)
    return [(one.name, dict(one.args), one.tool_call_id) for one in thunk.tool_calls]


def test_streamed_fragments_are_put_together(faults, m):
    faults.answers(
        fragments(
            {"index": 0, **call("c1", "weather", "")},
            {"index": 0, "function": {"arguments": '{"ci'}},
            {"index": 1, **call("c2", "weather", '{"city": "Oslo"}')},
            {"index": 0, "function": {"arguments": 'ty": "Rome"}'}},
        )
    )

    assert called(m) == [("weather", {"city": "Rome"}, "c1"), ("weather", {"city": "Oslo"}, "c2")]


def test_round_of_tools_may_follow_a_stream(faults, m):
    faults.answers(fragments({"index": 0, **call("c1", "weather", '{"city": "Rome"}')}), ANSWER)
    called(m)
    (asked,) = m.ctx.last_output().tool_calls

    assert asked.call_func() == "sunny in Rome"


@pytest.mark.parametrize("calls", ["none", [3], [{"function": "weather"}], [{"function": {"name": 3}}]])
def test_calls_that_are_none_are_malformed(open_faulty, faults, calls):
    m = open_faulty(native_tools=True)
    faults.answers(Reply(message("tool_calls", content=None, tool_calls=calls)))

    with pytest.raises(Exception) as caught:  # noqa: PT011  LiteLLM looks at them first
        m.chat("Go.", tools=[weather])
    assert isinstance(caught.value, MalformedResponseError) or m.backend.provider == "litellm"


def test_without_a_protocol_the_model_chooses_by_a_schema(open_faulty, faults):
    m = open_faulty(ctx=ChatContext(), native_tools=False)
    say = lambda value: Reply(message(content=json.dumps(value)))  # noqa: E731
    faults.answers(say({"tool": "weather", "arguments": {"city": "Rome"}}), say({"answer": "Sunny."}))

    assert m.chat("Weather in Rome?", tools=[weather], tool_loop=True) == "Sunny."

    first, second = faults.requests
    assert "tools" not in first
    branches = first["response_format"]["json_schema"]["schema"]["anyOf"]
    assert [sorted(branch["properties"]) for branch in branches] == [["arguments", "tool"], ["answer"]]
    assert "weather" in first["messages"][0]["content"]
    assert [one["role"] for one in second["messages"]] == ["system", "user", "assistant", "user"]
    assert second["messages"][-1]["content"] == "Result of weather: sunny in Rome"


def owned_by(owner):
    return Reply({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": owner}]})


@through_the_sdk
@pytest.mark.parametrize(
    ("told", "by_schema"),
    [
        ([Reply("no such page", 404)], False),
        ([Reply("<html>hello</html>")], False),
        ([owned_by("vllm")], False),
        ([owned_by("llamacpp"), Reply({"chat_template_caps": {"supports_tools": True}})], False),
        ([owned_by("llamacpp"), Reply({"chat_template_caps": {"supports_tools": False}})], True),
        ([owned_by("library"), Reply({"capabilities": ["completion"]})], True),
    ],
)
def test_server_is_asked_once_whether_its_protocol_carries_tools(open_faulty, faults, told, by_schema):
    m = open_faulty(ctx=ChatContext())
    text = json.dumps({"answer": "Sunny."}) if by_schema else "Sunny."
    faults.answers(*told, Reply(message(content=text)))

    for _ in range(2):
        assert m.chat("Weather in Rome?", tools=[weather], tool_loop=True) == "Sunny."

    asked = faults.requests[len(told) :]
    assert ["tools" in body for body in asked] == [not by_schema] * 2


def test_reasoning_that_led_to_a_call_goes_back(faults, m):
    reasoned = call("c1", "weather", '{"city": "Rome"}')
    faults.answers(
        Reply(message("tool_calls", content="", reasoning_content="I look.", tool_calls=[reasoned])), ANSWER
    )

    m.chat("Go.", tools=[weather], tool_loop=True)

    assert faults.requests[1]["messages"][1]["reasoning_content"] == "I look."


def test_server_that_refuses_tools_says_so(open_faulty, faults):
    m = open_faulty(native_tools=True)
    words = "registry.ollama.ai/library/m:latest does not support tools"
    faults.answers(Reply({"error": {"message": words, "type": "invalid_request_error"}}, 400))

    with pytest.raises(CapabilityError) as caught:
        m.chat("Go.", tools=[weather])
    assert caught.value.missing == "tools"
