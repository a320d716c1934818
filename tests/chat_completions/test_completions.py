"""Several plain texts on servers that take one a request."""

import pytest

from mellea.core import CBlock
from mellea.core.errors import ContextWindowError, RequestRejectedError
from tests.chat_completions.routes import through_the_sdk
from tests.servers.faults import Reply

REFUSAL = Reply({"error": {"message": "json: cannot unmarshal array into field prompt of type string"}}, 400)
TEXTS = [CBlock("a"), CBlock("b")]


def completion(text):
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return Reply({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice],
                  "usage": usage})  # fmt: skip


@through_the_sdk
async def test_texts_are_asked_one_by_one_where_the_server_refuses_several(faulty, faults):
    faults.answers(REFUSAL, completion("x"))

    first = await faulty.backend.generate_from_raw(TEXTS)
    second = await faulty.backend.generate_from_raw(TEXTS)

    assert [str(thunk) for thunk in (*first, *second)] == ["x"] * 4
    asked = [sent["prompt"] for sent in faults.requests]
    assert asked[0] == ["a", "b"]
    assert sorted(asked[1:]) == ["a", "a", "b", "b"]


@through_the_sdk
async def test_single_text_is_sent_as_a_text(faulty, faults):
    faults.answers(completion("x"))

    await faulty.backend.generate_from_raw(TEXTS[:1])

    assert faults.requests[0]["prompt"] == "a"


@through_the_sdk
async def test_refusal_of_each_text_is_the_error(faulty, faults):
    faults.answers(REFUSAL)

    for _ in range(2):
        with pytest.raises(RequestRejectedError, match="cannot unmarshal"):
            await faulty.backend.generate_from_raw(TEXTS)

    assert [sent["prompt"] for sent in faults.requests if isinstance(sent["prompt"], list)] == [
        ["a", "b"]
    ] * 2


@through_the_sdk
async def test_texts_that_are_too_long_are_not_asked_again(faulty, faults):
    faults.answers(Reply({"error": {"message": "too long", "code": "context_length_exceeded"}}, 400))

    with pytest.raises(ContextWindowError):
        await faulty.backend.generate_from_raw(TEXTS)

    assert len(faults.requests) == 1
