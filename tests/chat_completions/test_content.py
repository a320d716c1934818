"""What the openai and LiteLLM backends make of answers that are not simply text."""

import base64
import json

import pytest

from mellea import ModelOption
from mellea.core import AudioUrlBlock, Usage
from mellea.core.errors import (
    MalformedResponseError,
    ProviderError,
    QuotaError,
    RateLimitError,
    RefusalError,
    RequestRejectedError,
    StreamInterruptedError,
    UsageError,
)
from tests.chat_completions.routes import LITELLM, OPENAI, on_every_route, through_the_sdk
from tests.servers.faults import Reply, completion, delta

DONE = "data: [DONE]\n\n"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


FILTERS = ["content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "guardrail_intervened"]


def message(finish="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def event(**fields):
    whole = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **fields}
    return f"data: {json.dumps(whole)}\n\n"


def piece_of(content):
    return event(choices=[{"index": 0, "delta": {"content": content}, "finish_reason": None}])


def test_refusal_in_a_stream_is_an_error_with_its_words(faults, faulty):
    pieces = [event(choices=[{"index": 0, "delta": {"refusal": part}}]) for part in ("I will ", "not.")]
    faults.answers(Reply([*pieces, delta(None, "stop"), DONE]))

    with pytest.raises(RefusalError, match="I will not"):
        list(faulty.stream_chat("Write it."))


@pytest.mark.parametrize("stream", [False, True])
def test_answer_that_a_filter_cuts_is_an_error_with_the_text_so_far(faults, faulty, stream):
    cut = (
        [delta("It begins"), delta(None, "content_filter"), DONE]
        if stream
        else message("content_filter", content="It begins")
    )
    faults.answers(Reply(cut))

    with pytest.raises(RefusalError, match="filter") as caught:
        faulty.chat("Write it.", model_options={ModelOption.STREAM: stream})

    assert caught.value.text == "It begins"


@pytest.mark.parametrize("content", ["", None])
def test_empty_text_with_a_reason_is_an_answer(faults, faulty, content):
    faults.answers(Reply(message(content=content)))

    assert faulty.chat("Quote what fits, or nothing.").content == ""


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of LiteLLM's own classes
def test_text_in_parts_is_joined_and_reasoning_kept_apart(faults, faulty, route):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [thought, {"type": "text", "text": "It is "}, {"type": "text", "text": "blue."}]
    faults.answers(Reply(message(content=parts)))

    if route.backend == "litellm":  # LiteLLM does not read them
        with pytest.raises(MalformedResponseError):
            faulty.chat("What colour?")
    else:
        thunk = faulty.instruct("What colour?", strategy=None, await_result=True)
        assert (thunk.value, thunk.thinking) == ("It is blue.", "hm")


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@through_the_sdk
@pytest.mark.parametrize("content", [{"text": "blue"}, 3, [3]], ids=str)
def test_content_that_is_no_text_is_an_error_of_ours(faults, faulty, content):
    faults.answers(Reply(message(content=content)))

    with pytest.raises(MalformedResponseError):
        faulty.chat("What colour?")


def test_text_of_a_stream_in_parts_is_joined(faults, faulty):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    pieces = [[thought], [{"type": "text", "text": "It is "}], [{"type": "text", "text": "blue."}]]
    faults.answers(Reply([*map(piece_of, pieces), delta(None, "stop"), DONE]))

    thunk = faulty.act("What colour?", model_options={ModelOption.STREAM: True})

    assert (thunk.text, thunk.thinking) == ("It is blue.", "hm")


@pytest.mark.parametrize("content", [{"text": "blue"}, 3, [3]], ids=str)
def test_content_of_a_stream_that_is_no_text_is_an_error_of_ours(faults, faulty, content):
    faults.answers(Reply([delta("It is "), piece_of(content), delta(None, "stop"), DONE]))

    with pytest.raises(MalformedResponseError):
        list(faulty.stream_chat("What colour?"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("told", [{"error": {"code": 502, "message": "upstream died"}}, {}])
def test_error_in_the_place_of_an_answer_is_that_error(faults, faulty, stream, told):
    failed = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", **told}
    whole = {**failed, "message": {"role": "assistant", "content": ""}}
    faults.answers(
        Reply([event(choices=[failed]), DONE]) if stream else Reply({**message(), "choices": [whole]})
    )

    with pytest.raises(ProviderError, match="upstream died" if told else "error"):
        faulty.chat("Hi.", model_options={ModelOption.STREAM: stream})


@pytest.mark.parametrize("choices", [[], None])
def test_answer_without_choices_is_no_empty_text(faults, faulty, choices):
    faults.answers(Reply({**message(content="x"), "choices": choices}))

    with pytest.raises(MalformedResponseError):
        faulty.chat("Hi.")


@pytest.mark.parametrize(
    "between",
    [
        event(choices=[{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 5}}]),
        event(choices=[{"index": 0, "delta": None, "finish_reason": None}]),
        event(choices=[]),
        event(choices=None),
        event(choices=[], usage={"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}),
    ],
    ids=["no delta", "null delta", "no choices", "null choices", "usage alone"],
)
def test_chunk_without_a_piece_does_not_end_the_stream(faults, faulty, between):
    faults.answers(Reply([delta("Good "), between, delta("day"), delta(None, "stop"), DONE]))

    assert "".join(faulty.stream_chat("Greet.")) == "Good day"


@through_the_sdk
def test_usage_comes_without_choices_too(faults, faulty):
    usage = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
    faults.answers(Reply([delta("Good day"), delta(None, "stop"), event(usage=usage), DONE]))

    thunk = faulty.stream_chat("Greet.")

    assert "".join(thunk) == "Good day"
    assert thunk.generation.usage == Usage(4, 2)


def with_reason(text, reason):
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": reason}])


def test_cut_stream_with_empty_reasons_is_no_whole_answer(faults, faulty):
    faults.answers(Reply([with_reason("The code is ", ""), with_reason("4", "")]))

    with pytest.raises(StreamInterruptedError):
        list(faulty.stream_chat("Say the code."))


def test_stream_that_names_no_reason_ends_with_its_mark(faults, faulty):
    faults.answers(Reply([with_reason("The code is ", ""), with_reason("4", ""), DONE]))

    assert "".join(faulty.stream_chat("Say the code.")) == "The code is 4"


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": "5", "completion_tokens": 2.0}, Usage(5, 2)),
        ({"prompt_tokens": -5, "completion_tokens": 2}, None),
        ({"prompt_tokens": "many", "completion_tokens": 2}, None),
        ({"prompt_tokens": True}, None),
        ([5], None),
        ("5", None),
        (None, None),
    ],
    ids=str,
)
def test_usage_is_numbers_of_tokens_or_unknown(usage, counted):
    from mellea.core.chat_completions import chunks_from

    answer = {**message(content="Hi."), "usage": usage}

    assert chunks_from(answer, backend="b", model_id="m")[0].usage == counted


def test_places_and_names_of_another_type_do_not_count():
    from mellea.core.chat_completions import chunks_from

    choices = [{**message(content=text)["choices"][0], "index": "zero"} for text in ("a", "b")]
    chunks = chunks_from({"id": 3, "model": ["m"], "choices": choices}, backend="b", model_id="m")

    assert [(chunk.index, chunk.response_id, chunk.response_model) for chunk in chunks] == [
        (0, None, None),
        (1, None, None),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "Provider is busy", "code": 429}}, RateLimitError),
        ({"error": {"message": "No credits left", "code": 402}}, QuotaError),
        ({"error": {"message": "top_p is too big", "code": 400}}, RequestRejectedError),
    ],
    ids=["429", "402", "400"],
)
@through_the_sdk
def test_error_inside_an_answer_is_that_error(faults, faulty, body, expected):
    faults.answers(Reply(body))

    with pytest.raises(expected):
        faulty.chat("Hi.")


@pytest.mark.parametrize("option", ["n", "best_of", "num_return_sequences"])
@on_every_route
def test_several_answers_in_one_are_refused(faults, faulty, option):
    with pytest.raises(UsageError, match="BestOfNSamplingStrategy"):
        faulty.chat("Hi.", model_options={option: 2})

    assert not faults.requests


def test_one_answer_may_be_asked_for(faults, faulty):
    faults.answers(Reply(completion("hello")))

    assert faulty.chat("Hi.", model_options={"n": 1}).content == "hello"


def choice(index, text, finish=None):
    return {"index": index, "delta": {"content": text}, "finish_reason": finish}


def test_answers_that_nobody_asked_for_are_left_out(faults, faulty):
    two = message(content="red")
    two["choices"].append(
        {**two["choices"][0], "index": 1, "message": {"role": "assistant", "content": "blue"}}
    )
    faults.answers(Reply(two))

    assert faulty.chat("Which colour?").content == "red"


def test_pieces_of_answers_that_nobody_asked_for_are_left_out(faults, faulty):
    pieces = [event(choices=[choice(*piece)]) for piece in ((0, "re"), (1, "bl"), (0, "d"), (1, "ue"))]
    faults.answers(Reply([*pieces, delta(None, "stop"), DONE]))

    assert "".join(faulty.stream_chat("Which colour?")) == "red"


@pytest.mark.parametrize("reason", FILTERS)
def test_every_providers_name_of_a_filter_is_a_refusal(faults, faulty, reason):
    faults.answers(Reply(message(reason, content=None)))

    with pytest.raises(RefusalError, match="filter"):
        faulty.chat("Write it.")


@pytest.mark.parametrize(
    "alive", [": ping\n\n", "event: ping\ndata: {}\n\n", "data: \n\n"], ids=["comment", "event", "no data"]
)
def test_what_keeps_a_connection_alive_is_no_piece(faults, faulty, alive):
    faults.answers(Reply([alive, delta("Good "), alive, delta("day"), delta(None, "stop"), DONE]))

    assert "".join(faulty.stream_chat("Greet.")) == "Good day"


@pytest.mark.parametrize("text", ["[DONE] is a mark", "one\u2028two", "a\x85b"])
def test_text_that_looks_like_an_end_is_text(faults, faulty, text):
    said = json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False)
    faults.answers(Reply([delta("It says: "), f"data: {said}\n\n", delta("."), delta(None, "stop"), DONE]))

    assert "".join(faulty.stream_chat("Quote it.")) == f"It says: {text}."


WAV = "UklGRgAAAABXQVZFZm10IA=="


@pytest.mark.parametrize("stream", [False, True])
def test_audio_by_address_is_fetched_and_sent_by_value(faults, faulty, monkeypatch, stream):
    monkeypatch.setattr("mellea.core.inlining.fetch", lambda _: base64.b64decode(WAV))
    faults.answers(Reply([delta("Hello."), delta(None, "stop"), DONE] if stream else completion("Hello.")))

    faulty.chat(
        "What is said?",
        audio=[AudioUrlBlock("https://example.com/a.wav", "wav")],
        model_options={ModelOption.STREAM: stream},
    )

    (said, heard) = faults.requests[0]["messages"][0]["content"]
    assert said == {"type": "text", "text": "What is said?"}
    assert heard == {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}


def test_image_by_address_is_the_provider_s_to_fetch(faults, faulty, route, monkeypatch):
    monkeypatch.setattr("mellea.core.inlining.fetch", lambda _: base64.b64decode(PIXEL))
    faults.answers(Reply(completion("A pixel.")))

    faulty.chat("What is this?", images=["https://example.com/cat.png"])

    (_, seen) = faults.requests[0]["messages"][0]["content"]
    through_the_sdk = route in (OPENAI, LITELLM)
    expected = "https://example.com/cat.png" if through_the_sdk else f"data:image/png;base64,{PIXEL}"
    assert seen["image_url"]["url"] == expected
