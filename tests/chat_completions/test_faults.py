"""What the openai and LiteLLM backends do when a server does not do its part."""

import json

import pytest

from mellea import ModelOption
from mellea.core.errors import (
    ContextWindowError,
    MalformedResponseError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    RequestRejectedError,
    ServerError,
)
from tests.chat_completions.routes import on_every_route, through_the_sdk
from tests.servers.faults import Reply, completion, delta

DONE = "data: [DONE]\n\n"


def error(message):
    return {"error": {"message": message, "type": "fault", "code": None}}


DEEP = '{"choices": ' + "[" * 20_000 + "]" * 20_000 + "}"
LONG = '{"choices": [], "usage": {"prompt_tokens": ' + "9" * 5000 + "}}"


@pytest.mark.parametrize("body", [DEEP, LONG], ids=["depth", "digits"])
@pytest.mark.parametrize("stream", [False, True])
def test_json_that_cannot_be_read_is_the_servers_fault(faults, faulty, body, stream):
    faults.answers(Reply([f"data: {body}\n\n", delta(None, "stop"), DONE] if stream else body))

    with pytest.raises(MalformedResponseError) as caught:
        faulty.chat("Hi.", model_options={ModelOption.STREAM: stream})

    assert not caught.value.retryable


END = [delta(None, "stop"), DONE]
IN_A_STREAM = {
    "error": (['data: {"error": {"message": "engine died", "code": 500}}\n\n'], ServerError, "engine died"),
    "error as text": (['data: {"error": "engine died"}\n\n', *END], ServerError, "engine died"),
    "error by name": (
        ['event: error\ndata: {"message": "engine died"}\n\n', DONE],
        ServerError,
        "engine died",
    ),
    "words by name": (["event: error\ndata: engine died\n\n", *END], ServerError, "engine died"),
    "bare error": (['{"error": {"message": "engine died"}}\n', *END], ServerError, "engine died"),
    "no JSON": (["data: {not json\n\n"], MalformedResponseError, "not json"),
    "words": (["data: engine died\n\n", *END], MalformedResponseError, "engine died"),
    "words in JSON": (['data: "engine died"\n\n', *END], MalformedResponseError, "engine died"),
    "null": (["data: null\n\n", *END], MalformedResponseError, "None"),
    "list": (["data: []\n\n", *END], MalformedResponseError, "\\[\\]"),
    "null choice": (['data: {"choices": [null]}\n\n', *END], MalformedResponseError, "choices"),
    "choices as text": (['data: {"choices": "abc"}\n\n', *END], MalformedResponseError, "abc"),
    "delta as text": (['data: {"choices": [{"delta": "abc"}]}\n\n', *END], MalformedResponseError, "abc"),
}


@pytest.mark.parametrize(("events", "expected", "words"), IN_A_STREAM.values(), ids=IN_A_STREAM)
def test_event_that_is_no_piece_of_an_answer_is_our_error(faults, faulty, events, expected, words):
    faults.answers(Reply([delta("Hel"), *events]))

    with pytest.raises(expected, match=words) as caught:
        list(faulty.stream_chat("Hi."))

    assert type(caught.value) is expected


FOR_A_STREAM = {
    "whole answer": (completion("hello"), MalformedResponseError, "hello"),
    "indented": ([json.dumps(completion("hello"), indent=1)], MalformedResponseError, "chat.completion"),
    "error": ({"error": {"message": "slow down", "code": 429}}, RateLimitError, "slow down"),
    "error as text": ({"error": "engine died"}, ServerError, "engine died"),
    "words": ("engine died", MalformedResponseError, "engine died"),
    "words in JSON": ('"engine died"', MalformedResponseError, "engine died"),
    "page": ("<html>not an API</html>", MalformedResponseError, "not an API"),
    "end mark": ([DONE], MalformedResponseError, "without a piece"),
    "life signs": (
        [": alive\n\n", "event: ping\ndata: {}\n\n", DONE],
        MalformedResponseError,
        "without a piece",
    ),
    "usage": (
        ['data: {"choices": [], "usage": {"prompt_tokens": 3}}\n\n', DONE],
        MalformedResponseError,
        "piece",
    ),
    "something else": (['data: {"answer": 42}\n\n', DONE], MalformedResponseError, "without a piece"),
}


@pytest.mark.parametrize(("body", "expected", "words"), FOR_A_STREAM.values(), ids=FOR_A_STREAM)
def test_what_stands_in_the_place_of_a_stream_is_our_error(faults, faulty, body, expected, words):
    faults.answers(Reply(body))

    with pytest.raises(expected, match=words) as caught:
        list(faulty.stream_chat("Hi."))

    assert type(caught.value) is expected


@on_every_route
@pytest.mark.parametrize("body", ["[DONE]\n", '"engine died"'])
def test_words_in_the_place_of_a_stream_are_no_empty_answer(faults, faulty, body):
    faults.answers(Reply(body))

    with pytest.raises(MalformedResponseError, match="DONE|engine died"):
        list(faulty.stream_chat("Hi."))


IN_THE_PLACE = {
    "words": ("engine died", MalformedResponseError, "engine died"),
    "words in JSON": ('"engine died"', MalformedResponseError, "engine died"),
    "null": ("null", MalformedResponseError, "None|null"),
    "number": ("3", MalformedResponseError, "3"),
    "error as text": ({"error": "engine died"}, ServerError, "engine died"),
    "stream": ([delta("Hi"), *END], MalformedResponseError, "chat.completion.chunk"),
}


@pytest.mark.parametrize(("body", "expected", "words"), IN_THE_PLACE.values(), ids=IN_THE_PLACE)
def test_what_stands_in_the_place_of_an_answer_is_our_error(faults, faulty, body, expected, words):
    faults.answers(Reply(body))

    with pytest.raises(expected, match=words):
        faulty.chat("Hi.")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "slow down", "code": 429}}, RateLimitError),
        ({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, QuotaError),
        ({"error": {"message": "too long", "code": "context_length_exceeded"}}, ContextWindowError),
        ({"error": "overloaded"}, ServerError),
    ],
    ids=["rate", "quota", "window", "text"],
)
def test_error_event_in_a_stream_is_the_error_that_its_code_means(faults, faulty, body, expected):
    faults.answers(Reply([f"data: {json.dumps(body)}\n\n"]))

    with pytest.raises(expected) as caught:
        list(faulty.stream_chat("Hi."))

    assert type(caught.value) is expected


@through_the_sdk
def test_retry_after_is_a_field_and_the_words_are_the_providers(route, faults, faulty):
    faults.answers(Reply(error("slow down"), 429, {"retry-after": "7"}))

    with pytest.raises(RateLimitError) as caught:
        faulty.chat("Hi.")

    assert caught.value.retry_after == 7.0
    assert caught.value.retryable
    assert caught.value.message == f"{route.backend} ({route.prefix}m) answered 429: slow down."


@pytest.mark.parametrize("stream", [False, True])
def test_request_that_may_succeed_later_is_sent_again(faults, open_faulty, stream):
    answer = Reply([delta("hello"), delta(None, "stop"), DONE]) if stream else Reply(completion("hello"))
    at_once = {"retry-after": "0", "retry-after-ms": "1"}
    faults.answers(Reply(error("busy"), 503, at_once), Reply(error("busy"), 429, at_once), answer)

    message = open_faulty(retries=2).chat("Hi.", model_options={ModelOption.STREAM: stream})

    assert message.content == "hello"
    assert len(faults.requests) == 3


@on_every_route
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, None, RequestRejectedError),
        (429, "insufficient_quota", QuotaError),
        (429, "billing_hard_limit_reached", QuotaError),
    ],
)
def test_request_that_cannot_succeed_is_sent_once(faults, open_faulty, stream, status, code, expected):
    faults.answers(Reply({"error": {"message": "no", "code": code}}, status))

    with pytest.raises(expected):
        open_faulty(retries=2).chat("Hi.", model_options={ModelOption.STREAM: stream})

    assert len(faults.requests) == 1


@on_every_route
def test_answer_that_does_not_come_times_out(faults, open_faulty):
    faults.answers(Reply([], stall=True))

    with pytest.raises(ProviderTimeoutError, match="timeout="):
        open_faulty(timeout=0.2).chat("Hi.")


def test_options_reach_the_server_under_its_names_and_unknown_ones_as_they_are(faults, faulty):
    faults.answers(Reply(completion("hello")))

    faulty.chat(
        "Hi.", model_options={"top_k": 5, ModelOption.MAX_NEW_TOKENS: 7, ModelOption.STOP_SEQUENCES: ["x"]}
    )

    sent = faults.requests[0]
    assert (sent["top_k"], sent["max_tokens"], sent["stop"]) == (5, 7, ["x"])
