"""OpenAI's own client at a server of programs."""

from __future__ import annotations

import json

import openai
import pytest
from pydantic import BaseModel

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Birth(BaseModel, extra="forbid"):
    year: int


class Person(BaseModel, extra="forbid"):
    name: str
    born: Birth


@pytest.fixture(scope="module")
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def said(text):
    return [{"role": "user", "content": text}]


def test_whole_answer_has_text_usage_and_finish_reason(client):
    answer = client.chat.completions.create(model="chat", messages=said("Hello"))

    assert answer.choices[0].message.content == "Hello dear world."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1, 3)
    assert (answer.model, answer.object) == ("chat", "chat.completion")


def test_stream_comes_in_pieces_and_ends_with_the_usage(client):
    stream = client.chat.completions.create(
        model="chat", messages=said("Hello"), stream=True, stream_options={"include_usage": True}
    )
    *pieces, last, usage = list(stream)

    assert [piece.choices[0].delta.content for piece in pieces] == ["", "Hello ", "dear ", "world."]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert last.choices[0].finish_reason == "stop"
    assert usage.usage.total_tokens == 4
    assert not usage.choices


async def test_asynchronous_client_streams(address):
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(model="chat", messages=said("Hello"), stream=True)
        assert (
            "".join([piece.choices[0].delta.content or "" async for piece in stream]) == "Hello dear world."
        )


def test_tool_calls_come_back_to_the_client(client):
    answer = client.chat.completions.create(model="chat", messages=said("weather"), tools=[WEATHER])
    with client.chat.completions.stream(model="chat", messages=said("weather"), tools=[WEATHER]) as stream:
        streamed = stream.get_final_completion()

    for choice in (answer.choices[0], streamed.choices[0]):
        assert choice.finish_reason == "tool_calls"
        assert [call.function.name for call in choice.message.tool_calls] == ["get_weather"] * 2
        assert [json.loads(call.function.arguments)["city"] for call in choice.message.tool_calls] == [
            "Oslo",
            "Rome",
        ]


@pytest.mark.parametrize("streams", [False, True])
def test_schema_reaches_the_program_as_a_class(client, streams):
    if streams:
        with client.chat.completions.stream(
            model="chat", messages=said("Who is Ada"), response_format=Person
        ) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(
            model="chat", messages=said("Who is Ada"), response_format=Person
        )

    assert answer.choices[0].message.parsed == Person(name="Ada", born=Birth(year=1815))


def test_answer_that_breaks_the_schema_is_an_error(client):
    with pytest.raises(openai.InternalServerError) as error:
        client.chat.completions.create(
            model="chat", messages=said("Hello"), response_format={"type": "json_object"}
        )
    assert error.value.code == "invalid_output"
    assert error.value.response.headers["x-should-retry"] == "false"


def test_cut_thoughtful_and_refused_answers(client):
    def ask(text):
        return client.chat.completions.create(model="chat", messages=said(text)).choices[0]

    assert ask("cut").finish_reason == "length"
    assert ask("think").message.model_extra["reasoning_content"] == "Six times seven."
    refused = ask("refuse")
    assert (refused.message.content, refused.message.refusal) == (None, "I would rather not.")
    assert refused.finish_reason == "content_filter"
    with (
        client.chat.completions.stream(model="chat", messages=said("refuse")) as stream,
        pytest.raises(openai.ContentFilterFinishReasonError),
    ):
        stream.get_final_completion()


@pytest.mark.parametrize("text", ["It is fine.", '{"text": "It is fine."}'])
def test_typed_function_takes_a_text_or_its_arguments(client, text):
    answer = client.chat.completions.create(model="sentiment", messages=said(text))

    assert answer.choices[0].message.content == "positive"
    assert answer.usage.completion_tokens > 0


def test_typed_function_streams_its_checked_value(client):
    stream = client.chat.completions.create(model="total", messages=said("[1, 2, 3]"), stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in stream) == "6"


def test_typed_function_answers_within_a_schema(client):
    class Sum(BaseModel, extra="forbid"):
        result: int

    answer = client.chat.completions.parse(model="total", messages=said("[1, 2, 3]"), response_format=Sum)
    assert answer.choices[0].message.parsed.result == 6


@pytest.mark.parametrize("model", ["chat", "sentiment"])
@pytest.mark.parametrize("streams", [False, True])
def test_verdicts_of_requirements_come_back(client, model, streams):
    answer = client.chat.completions.create(
        model=model,
        messages=said("Hello, sentiment"),
        stream=streams,
        extra_body={"requirements": ["It is kind."]},
    )
    told = (list(answer)[-1] if streams else answer).model_extra["mellea"]

    assert (told["success"], told["attempts"]) == (True, 1)
    assert [(one["requirement"], one["met"]) for one in told["requirements"]] == [("It is kind.", True)]


def test_plain_function_gets_options_and_what_the_client_sent_besides(client):
    answer = client.chat.completions.create(
        model="plain", messages=said("Hi"), temperature=0, max_tokens=9, stop="x", top_p=0.5, user="me"
    )
    assert json.loads(answer.choices[0].message.content) == {
        "text": "Hi",
        "options": ["max_new_tokens", "stop_sequences", "temperature", "top_p"],
        "besides": ["model", "user"],
    }


def test_models_are_listed(client):
    names = [model.id for model in client.models.list()]

    assert {"chat", "sentiment", "total"} <= set(names)
    assert client.models.retrieve("total").owned_by == "mellea"
    with pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client.models.retrieve("other")


WRONG = {
    "no such model": ({"model": "other"}, openai.NotFoundError, "model_not_found"),
    "several answers": ({"n": 2}, openai.BadRequestError, "unsupported_value"),
    "log-probabilities": ({"logprobs": True}, openai.BadRequestError, "unsupported_parameter"),
    "no messages": ({"messages": []}, openai.BadRequestError, "invalid_value"),
    "no role": ({"messages": [{"role": "king", "content": "x"}]}, openai.BadRequestError, "invalid_value"),
    "no number": ({"temperature": "hot"}, openai.BadRequestError, "invalid_value"),
    "tool without a name": (
        {"tools": [{"type": "function", "function": {"name": "no name"}}]},
        openai.BadRequestError,
        "invalid_value",
    ),
    "format not taken": (
        {"model": "plain", "response_format": {"type": "json_object"}},
        openai.BadRequestError,
        "unsupported_parameter",
    ),
    "requirements not taken": (
        {"model": "broken", "extra_body": {"requirements": ["x"]}},
        openai.BadRequestError,
        "unsupported_parameter",
    ),
    "arguments": ({"model": "total", "messages": said("many")}, openai.BadRequestError, "invalid_value"),
    "tools of a typed function": (
        {"model": "total", "messages": said("[1]"), "tools": [WEATHER]},
        openai.BadRequestError,
        "unsupported_parameter",
    ),
    "busy provider": ({"messages": said("busy")}, openai.RateLimitError, "rate_limit_exceeded"),
    "program fails": ({"model": "broken"}, openai.InternalServerError, "program_failed"),
    "program leaves": ({"model": "leaving"}, openai.InternalServerError, "program_failed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_those_of_the_official_client(client, case):
    given, kind, code = WRONG[case]
    with pytest.raises(kind) as error:
        client.chat.completions.create(**{"model": "chat", "messages": said("Hello"), **given})

    assert error.value.code == code
    assert "secret" not in str(error.value)


def test_requirements_that_are_not_met_are_told_in_a_strict_function(client):
    with pytest.raises(openai.InternalServerError) as error:
        client.chat.completions.create(
            model="total", messages=said("[1]"), extra_body={"requirements": ["FAIL"]}, seed=1
        )
    assert error.value.code == "requirements_not_met"
    assert error.value.body["mellea"]["requirements"][1]["met"] is False


def test_stream_that_breaks_ends_with_an_error(client):
    stream = client.chat.completions.create(model="chat", messages=said("break"), stream=True)

    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "One "]
    with pytest.raises(openai.APIError, match="provider failed") as error:
        next(stream)
    assert error.value.code == "provider_failed"
