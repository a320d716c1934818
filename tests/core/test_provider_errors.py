import json
from pathlib import Path

import pytest

from mellea.core import errors
from mellea.core.errors import (
    AuthenticationError,
    ContextWindowError,
    ModelNotFoundError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    RefusalError,
    RequestRejectedError,
    ServerError,
)
from mellea.core.provider_errors import error_for_status
from mellea.core.provider_words import error_of_answer, provider_words

LINES = (Path(__file__).parent / "provider_bodies.jsonl").read_text(encoding="utf-8").splitlines()
BODIES = {row["who"]: row for row in map(json.loads, LINES)}
"""What providers send when they fail, with the class and the words that it means."""
RUNNER = BODIES["llama.cpp"]["body"]


def translated(status, body, headers=None, **more):
    return error_for_status(status, body, headers, backend="b", model_id="m", **more)


@pytest.mark.parametrize("who", BODIES)
def test_a_body_is_the_error_that_it_means(who):
    row = BODIES[who]
    error = translated(row["status"], row["body"])
    assert type(error).__name__ == row["error"]
    assert row["told"] in str(error)
    assert str(error).endswith(error.hint)
    assert "{" not in error.message or who == "half of JSON"
    assert (error.status, error.backend, error.model_id) == (row["status"], "b", "m")


@pytest.mark.parametrize("who", BODIES)
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_body_means_the_same_as_text_and_as_bytes(who, kind):
    status, body = BODIES[who]["status"], BODIES[who]["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    assert str(translated(status, kind(text))) == str(translated(status, body))


NUMBERS = {
    "OpenAI": (9001, 8192),
    "Azure": (1500, 1000),
    "Anthropic": (210000, 200000),
    "Anthropic, with the answer": (190000, 200000),
    "Bedrock": (None, None),
    "Bedrock, counted": (9000, 8192),
    "xAI": (1500, 1000),
    "Gemini": (1500, 1000),
    "TGI": (3000, 2048),
    "TGI, inputs alone": (1500, 1024),
    "vLLM": (4000, 4096),
    "vLLM, decoder": (5000, 4096),
    "Mistral": (40000, 32768),
    "Cohere": (None, 4096),
    "Moonshot": (None, 8192),
    "llama.cpp": (710, 512),
    "Ollama": (710, 512),
    "Ollama through /v1": (710, 512),
    "Ollama through LiteLLM": (710, 512),
}


@pytest.mark.parametrize(("name", "numbers"), NUMBERS.items(), ids=list(NUMBERS))
def test_a_full_window_tells_its_numbers(name, numbers):
    error = translated(BODIES[name]["status"], BODIES[name]["body"])
    assert (error.prompt_tokens, error.window) == numbers


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "bad parameter", RequestRejectedError),
        (401, "no key", AuthenticationError),
        (403, "forbidden", AuthenticationError),
        (404, "no such model", ModelNotFoundError),
        (408, "timeout", ProviderTimeoutError),
        (413, "payload", ContextWindowError),
        (422, "unprocessable", RequestRejectedError),
        (429, "slow down", RateLimitError),
        (500, "oops", ServerError),
        (503, "loading", ServerError),
        (None, "oops", ServerError),
        (500, "the request exceeds the available context size", ContextWindowError),
        (None, "exceed_context_size_error", ContextWindowError),
        (429, "too many multimodal requests", RateLimitError),
        (401, "no multimodal access", AuthenticationError),
        (401, "the context window of this key", AuthenticationError),
    ],
)
def test_status_and_words_decide_the_error(status, message, expected):
    assert type(translated(status, message)) is expected


def test_rate_limit_says_when_to_try_again():
    error = translated(429, "slow down.", retry_after=1.5)
    assert str(error) == "b (m) answered 429: slow down. Try again in 1.5 seconds."
    assert error.retry_after == 1.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_headers_say_when_to_try_again(headers, seconds):
    assert error_for_status(429, "no", headers, backend="b", model_id="m").retry_after == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 20s", 20),
        ("Please retry in 34.5s.", 34.5),
        ("again in 1m2s", 62),
        ("again in 500ms", 0.5),
        ("again", None),
    ],
)
def test_words_say_when_to_try_again(text, seconds):
    assert provider_words(text).retry_after == seconds


def test_a_header_names_the_failure():
    headers = {"x-amzn-ErrorType": "ThrottlingException:http://internal.amazon.com/"}
    assert type(translated(400, {"message": "Rate exceeded"}, headers)) is RateLimitError


def test_bytes_that_are_no_text_are_read():
    assert "wrong" in str(translated(400, b'{"error": "wrong \xff"}'))


def test_the_words_are_bounded_and_in_one_line():
    error = translated(400, {"detail": "\x1b[31mred\x1b[0m\r\n" + "word " * 5000 + "end"})
    assert len(str(error)) < 700
    assert "answered 400: red word" in str(error)
    assert "word end." in str(error)


def test_the_words_hide_the_key():
    error = translated(401, {"detail": "Incorrect API key provided: hunter2."}, secrets=["hunter2"])
    assert "hunter2" not in str(error)


def test_a_refusal_carries_its_words():
    error = translated(400, {"error": {"message": "I must not.", "code": "content_filter"}})
    assert error.text == "I must not."
    assert not error.retryable


def test_a_better_remedy_takes_the_place_of_the_common_one():
    hints = {ContextWindowError: "Raise CONTEXT_WINDOW."}
    assert translated(400, RUNNER, hints=hints).hint == "Raise CONTEXT_WINDOW."


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"code": 429}}, {"error": {"code": 429}}),
        ({"object": "error", "message": "m"}, {"object": "error", "message": "m"}),
        (
            {"type": "error", "error": {"type": "overloaded_error"}},
            {"type": "error", "error": {"type": "overloaded_error"}},
        ),
        ({"choices": [{"error": {"code": 502}, "delta": {}}]}, {"code": 502}),
        ({"choices": [], "error": "m"}, {"choices": [], "error": "m"}),
        ({"detail": "Not authenticated"}, {"detail": "Not authenticated"}),
        ({"message": "boom", "code": 500}, {"message": "boom", "code": 500}),
        ({"message": "boom", "answer": "x"}, None),
        ({"message": {"content": "x"}}, None),
        ({"choices": [{"message": {"content": "x"}}], "detail": "x"}, None),
        ({"choices": [{"message": {"content": "x"}}], "error": None}, None),
        ({"error": None}, None),
        ({"choices": "no"}, None),
        ([1], None),
        ("error", None),
    ],
)
def test_an_error_is_found_in_an_answer(body, error):
    assert error_of_answer(body) == error


def test_messages_are_opened_to_a_depth_of_two():
    body = "the reason"
    for _ in range(5):
        body = json.dumps({"error": body})
    assert "the reason" in provider_words(body).text


def test_hostile_bodies_are_read():
    for body in (
        "{" * 100_000,
        "[" * 100_000,
        "<" * 100_000,
        "try again in " * 20_000,
        {"error": {"error": {"error": {}}}},
        [[[]]],
        {"errors": 3},
    ):
        assert isinstance(provider_words(body).text, str)


@pytest.mark.parametrize("cls", [QuotaError, RefusalError, ContextWindowError])
def test_new_attributes_have_defaults(cls):
    assert errors.MelleaError in cls.__mro__
    assert not cls("It broke.").retryable
