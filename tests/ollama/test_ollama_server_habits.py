"""What a real server does that no document tells, and what a program gets to see of it."""

import pytest

from mellea import generative
from mellea.core import ModelOption, NoAnswerWarning, Usage
from mellea.core.errors import (
    CapabilityError,
    ContextWindowError,
    MalformedResponseError,
    RepetitionError,
    RequestRejectedError,
    ServerError,
    StreamInterruptedError,
)
from mellea.stdlib.sampling import RejectionSamplingStrategy
from tests.ollama.played import BUSY, line, stream, whole
from tests.servers.faults import Reply

REPEATS = "1" * 31
MULTIMODAL = (
    '{"error":{"code":400,"message":"Multimodal data provided, but model does not support multimodal '
    'requests.","type":"invalid_request_error"}}'
)


def test_answer_ends_where_the_window_is_full_unless_more_is_asked_for(play, played):
    m = play(whole("Once", done_reason="length"))

    output = m.act("Tell a story.")
    m.act("Tell a story.", model_options={"shift": True})

    assert output.generation.finish_reasons == ("length",)
    assert [(sent["shift"], sent["truncate"]) for sent in played.requests] == [(False, False), (True, False)]


async def test_plain_completion_ends_where_the_window_is_full(play, played):
    backend = play(Reply({"response": "x", "done": True, "done_reason": "stop", "eval_count": 1})).backend

    await backend.generate_from_raw(["One"])

    assert played.requests[-1]["shift"] is False


@pytest.mark.parametrize("busy", [1, 3])
def test_busy_server_is_asked_again_until_it_has_time(play, played, busy):
    m = play(*[BUSY] * busy, whole("Fine."))

    assert str(m.chat("Hi")) == "Fine."
    assert len(played.requests) == busy + 1


def test_busy_server_is_given_up_within_the_calls_own_time(play):
    m = play(BUSY)

    with pytest.raises(ServerError, match="busy") as caught:
        m.chat("Hi", model_options={ModelOption.TIMEOUT: 0.35})

    assert caught.value.retryable


def test_stream_of_a_busy_server_is_given_up_within_the_time_for_a_piece(play):
    m = play(BUSY)

    with pytest.raises(ServerError, match="busy"):
        list(m.stream_chat("Hi", model_options={ModelOption.STREAM_TIMEOUT: 0.35}))


@pytest.mark.parametrize(
    "refusal",
    [
        Reply({"error": 'option "temperature" must be of type float32'}, 500),
        Reply({"error": "an error was encountered while running the model: unexpected EOF"}, 500),
        Reply({"error": "the gateway has no upstream"}, 503),
    ],
)
def test_nothing_but_a_full_queue_is_asked_again(play, played, refusal):
    m = play(refusal)

    with pytest.raises((RequestRejectedError, ServerError)):
        m.chat("Hi")

    assert len(played.requests) == 1


def test_nothing_is_asked_again_once_a_piece_was_handed_on(play, played):
    m = play(stream(line("As"), {"error": "server busy, please try again.  maximum pending requests"}))
    answer = m.stream_chat("Hi")

    with pytest.raises(ServerError):
        list(answer)

    assert answer.text == "As"
    assert len(played.requests) == 1


# Repetition


@pytest.mark.parametrize("piece", ["1", " | ---", "\n"])
def test_answer_broken_off_for_repetition_is_told_so(play, piece):
    m = play(stream(line("x"), *[line(piece)] * 31))

    with pytest.raises(RepetitionError, match="repeats itself") as caught:
        list(m.stream_chat("x"))

    assert caught.value.text == "x" + piece * 31


def test_whole_answer_broken_off_for_repetition_is_told_so(play):
    m = play(whole(REPEATS, done=False))

    with pytest.raises(RepetitionError, match="repeats itself") as caught:
        m.chat("x")

    assert caught.value.text == REPEATS


def test_answer_that_ends_early_without_repetition_is_an_interrupted_one(play):
    m = play(stream(line("As"), line(" she"), line(" stood")))

    with pytest.raises(StreamInterruptedError):
        list(m.stream_chat("x"))


@pytest.mark.parametrize("options", [{}, {ModelOption.TEMPERATURE: 0.0}, {ModelOption.SEED: 5}])
def test_attempt_after_a_repetition_draws_with_another_seed(play, played, options):
    m = play(whole(REPEATS, done=False), whole("Fine."))

    result = m.act(
        "x",
        strategy=RejectionSamplingStrategy(loop_budget=2),
        model_options=options,
        return_sampling_results=True,
    )

    first, second = (sent["options"].get("seed") for sent in played.requests)
    assert first != second
    assert second is not None
    assert result.value == "Fine."
    assert "repeats itself" in result.attempts[0].error
    assert str(result.attempts[0].output) == REPEATS


@generative
def total(question: str) -> int:
    """Add."""


def test_typed_function_asks_a_model_that_only_reasoned_again_without(play, played):
    played.models["smollm2:latest"] = ["completion", "thinking"]
    m = play(whole(thinking="It is 4."), whole('{"result": 4}'))

    assert total(m, question="2+2") == 4
    assert [sent.get("think") for sent in played.requests] == [None, False]


def test_stream_of_reasoning_alone_warns_and_keeps_the_reasoning(play):
    m = play(stream(line(thinking="It is"), line(thinking=" 4."), line(done=True)))

    with pytest.warns(NoAnswerWarning), m.stream_chat("2+2?") as answer:
        pieces = list(answer)

    assert (pieces, answer.thinking) == ([], "It is 4.")
    assert answer.generation.usage.completion_tokens == 8


# What a model cannot do, and whose fault it is


@pytest.mark.parametrize(
    ("can", "options", "missing"),
    [(["completion"], {ModelOption.THINKING: True}, "thinking"), (["embedding"], {}, "chat")],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_the_list_of_models_denies_is_refused_before_it_is_sent(
    play, played, can, options, missing, stream
):
    played.models["smollm2:latest"] = can
    m = play()

    with pytest.raises(CapabilityError, match="nothing was sent") as caught:
        m.act("Hi", model_options={ModelOption.STREAM: stream, **options})

    assert caught.value.missing == missing
    assert played.requests == []


def test_thinking_is_switched_off_for_any_model(play, played):
    play().chat("Hi", model_options={ModelOption.THINKING: False})

    assert played.requests[-1]["think"] is False


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ('"smollm2" does not support thinking', "thinking"),
        ("registry.ollama.ai/library/smollm2:latest does not support tools", "tools"),
        ('"smollm2" does not support chat', "chat"),
        (MULTIMODAL, "images"),
    ],
)
def test_what_the_server_says_the_model_cannot_is_a_missing_capability(play, played, said, missing):
    played.models["smollm2:latest"] = None
    m = play(Reply({"error": said}, 400))

    with pytest.raises(CapabilityError) as caught:
        m.chat("Hi")

    assert caught.value.missing == missing
    assert '{"' not in str(caught.value)


def test_full_window_is_told_with_its_numbers_and_the_option_that_widens_it(play):
    inner = (
        '{"error":{"code":400,"message":"request (710 tokens) exceeds the available context size (512 tokens)'
        ', try increasing it","type":"exceed_context_size_error","n_prompt_tokens":710,"n_ctx":512}}'
    )
    m = play(Reply({"error": inner}, 400))

    with pytest.raises(ContextWindowError, match="CONTEXT_WINDOW") as caught:
        m.chat("Hi")

    assert (caught.value.prompt_tokens, caught.value.window) == (710, 512)
    assert '{"' not in str(caught.value)


def test_option_of_a_wrong_type_is_the_requests_fault(play):
    m = play(Reply({"error": 'option "temperature" must be of type float32'}, 500))

    with pytest.raises(RequestRejectedError) as caught:
        m.chat("Hi", model_options={"temperature": "hot"})

    assert not caught.value.retryable


PARTS = [{"type": "text", "text": "It is "}, {"type": "text", "text": "blue."}]


@pytest.mark.parametrize("is_stream", [False, True])
def test_content_in_parts_is_their_text(play, is_stream):
    said = {"role": "assistant", "content": PARTS}
    last = line(done=True, **({} if is_stream else {"message": said}))
    m = play(stream(line(message=said), last) if is_stream else Reply(last))

    assert m.act("What colour?", model_options={ModelOption.STREAM: is_stream}).text == "It is blue."


@pytest.mark.parametrize(
    "said", [{"content": 3}, {"content": {"text": "a"}}, {"content": [3]}, None, "blue"], ids=str
)
@pytest.mark.parametrize("is_stream", [False, True])
def test_content_that_is_no_text_is_an_error_and_no_empty_answer(play, said, is_stream):
    first = line(done=not is_stream, message=said)
    m = play(stream(first, line(done=True)) if is_stream else Reply(first))

    with pytest.raises(MalformedResponseError):
        m.act("What colour?", model_options={ModelOption.STREAM: is_stream})


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": "5", "eval_count": 2.0}, Usage(5, 2)),
        ({"prompt_eval_count": 5, "eval_count": -2}, None),
        ({"prompt_eval_count": True, "eval_count": 2}, None),
        ({"prompt_eval_count": None, "eval_count": None}, None),
    ],
    ids=str,
)
def test_counts_that_cannot_be_are_unknown(play, counts, usage):
    m = play(whole("blue", **counts))

    output = m.act("What colour?")

    assert (output.text, output.generation.usage) == ("blue", usage)
