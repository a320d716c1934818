"""Tools through LiteLLM on a server whose protocol cannot carry them all: by constraint."""

from mellea import ChatContext, ModelOption, start_session
from mellea.stdlib.tools import ToolRunner, tool

FORCED = {ModelOption.TOOL_CHOICE: "required"}


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def test_model_of_llama_cpp_that_knows_no_tools_calls_by_a_schema(open_session):
    m = open_session(ctx=ChatContext(), model_options={ModelOption.MAX_NEW_TOKENS: 60})

    output = m.act("Weather in Rome?", tools=[weather], tool_loop=False, model_options=FORCED)

    assert [call.name for call in output.tool_calls] == ["weather"]
    assert output.tool_calls[0].call_func()


def test_model_of_ollama_calls_by_a_schema(ollama_server):
    ollama_server.reset()
    options = {ModelOption.MAX_NEW_TOKENS: 80, ModelOption.TEMPERATURE: 0.0}
    where = {"model_id": "ollama_chat/smollm2", "base_url": ollama_server.base_url}

    with start_session("litellm", ctx=ChatContext(), model_options=options, **where) as m:
        answer = m.chat(
            "Weather in Rome?",
            tools=[weather],
            tool_loop=ToolRunner(rounds=1),
            model_options=FORCED,
        )
        called = [span for span in m.ctx.as_list() if getattr(span, "tool_calls", None)]

    assert called[0].tool_calls[0].name == "weather"
    assert isinstance(answer.content, str)
    assert all("tools" not in body and "format" in body for body in ollama_server.sent("/api/chat"))
