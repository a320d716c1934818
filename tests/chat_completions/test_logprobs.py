"""Log-probabilities through the openai and LiteLLM backends."""

import json

import pytest

from mellea import ModelOption
from mellea.core import CBlock, TokenLogprob
from mellea.core.errors import MalformedResponseError
from mellea.stdlib.sampling import BestOfNSamplingStrategy
from tests.chat_completions.routes import OPENAI, through_the_sdk
from tests.servers.faults import Reply

ENTRIES = [
    {
        "token": token,
        "logprob": -0.5,
        "bytes": list(token.encode()),
        "top_logprobs": [{"token": token, "logprob": -0.5, "bytes": list(token.encode())}],
    }
    for token in ("It", " is", " é")
]
KNOWN = tuple(
    TokenLogprob(token, -0.5, token.encode(), (TokenLogprob(token, -0.5, token.encode()),))
    for token in ("It", " is", " é")
)
SHORT = {ModelOption.MAX_NEW_TOKENS: 6, ModelOption.TEMPERATURE: 0.0, ModelOption.SEED: 1}


def whole(logprobs, *more):
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": "It is é"},
            "finish_reason": "stop",
            "logprobs": said,
        }
        for index, said in enumerate((logprobs, *more))
    ]
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}


def piece(delta, finish=None, **fields):
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **fields}
    said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(said)}\n\n"


def test_answer_keeps_its_tokens(faults, faulty):
    faults.answers(Reply(whole({"content": ENTRIES, "refusal": None})))

    thunk = faulty.instruct("Say it.", strategy=None, model_options={ModelOption.LOGPROBS: 1})

    assert thunk.generation.logprobs == KNOWN
    assert faults.requests[0]["logprobs"] is True
    assert faults.requests[0]["top_logprobs"] == 1


def test_true_asks_for_the_tokens_alone(faults, faulty):
    faults.answers(Reply(whole({"content": ENTRIES})))

    thunk = faulty.instruct("Say it.", strategy=None, model_options={"logprobs": True})

    assert [one.alternatives for one in thunk.generation.logprobs] == [(), (), ()]
    assert "top_logprobs" not in faults.requests[0]


def test_native_words_mean_the_same(faults, faulty):
    faults.answers(Reply(whole({"content": ENTRIES})))

    faulty.instruct("Say it.", strategy=None, model_options={"logprobs": True, "top_logprobs": 2})

    assert faults.requests[0]["top_logprobs"] == 2


def test_streamed_answer_keeps_its_tokens(faults, faulty):
    said = [piece({"content": entry["token"]}, logprobs={"content": [entry]}) for entry in ENTRIES]
    faults.answers(Reply([*said, piece({}, "stop"), "data: [DONE]\n\n"]))

    thunk = faulty.stream_instruct("Say it.", model_options={ModelOption.LOGPROBS: 1})

    assert "".join(thunk) == "It is é"
    assert thunk.generation.logprobs == KNOWN


@pytest.mark.parametrize("route", [OPENAI], ids=str, indirect=True)
def test_each_of_several_samples_has_its_own(faults, open_faulty):
    other = [{**entry, "logprob": -2.0} for entry in ENTRIES]
    faults.answers(Reply(whole({"content": ENTRIES}, {"content": other})))

    result = open_faulty().instruct(
        "Say it.",
        strategy=BestOfNSamplingStrategy(2),
        return_sampling_results=True,
        model_options={ModelOption.LOGPROBS: True},
    )

    said = [attempt.output.generation.logprobs for attempt in result.attempts]
    assert [each[0].logprob for each in said] == [-0.5, -2.0]


@through_the_sdk
@pytest.mark.parametrize("said", [{"content": "It"}, {"content": [{"token": 3}]}, "much"])
def test_malformed_ones_are_our_error(faults, faulty, route, said):
    if route.backend == "litellm":
        return  # LiteLLM refuses or drops them by itself
    faults.answers(Reply(whole(said)))

    with pytest.raises(MalformedResponseError):
        faulty.chat("Say it.", model_options={ModelOption.LOGPROBS: True})


@through_the_sdk
async def test_plain_completion_keeps_its_tokens(faults, faulty):
    columns = {
        "tokens": ["It", " is"],
        "token_logprobs": [-0.5, -1.0],
        "top_logprobs": [{"It": -0.5}, {" is": -1.0}],
        "text_offset": [0, 2],
    }
    choice = {"index": 0, "text": "It is", "finish_reason": "stop", "logprobs": columns}
    faults.answers(
        Reply({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]})
    )

    (thunk,) = await faulty.backend.generate_from_raw(
        [CBlock("Say")], model_options={ModelOption.LOGPROBS: 1}
    )

    assert [(one.token, one.logprob) for one in thunk.generation.logprobs] == [("It", -0.5), (" is", -1.0)]
    assert thunk.generation.logprobs[0].alternatives == (TokenLogprob("It", -0.5),)
    assert faults.requests[0]["logprobs"] == 1


async def test_real_server_gives_them_for_a_plain_completion(open_session):
    backend = open_session(model_options=SHORT).backend

    (thunk,) = await backend.generate_from_raw(
        [CBlock("The sky is")], model_options={**SHORT, ModelOption.LOGPROBS: True}
    )

    assert "".join(one.token for one in thunk.generation.logprobs) == thunk.value
    assert not any(one.alternatives for one in thunk.generation.logprobs)
