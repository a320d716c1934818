"""Log-probabilities of an Ollama server."""

import pytest

from mellea.core import CBlock, ModelOption, OptionNotSupportedWarning, TokenLogprob
from mellea.core.errors import MalformedResponseError
from tests.ollama.played import whole

ENTRY = {
    "token": "The",
    "logprob": -1.148529052734375,
    "bytes": [84, 104, 101],
    "top_logprobs": [
        {"token": "The", "logprob": -1.148529052734375, "bytes": [84, 104, 101]},
        {"token": "A", "logprob": -1.5264455080032349, "bytes": [65]},
    ],
}


def test_answer_keeps_its_tokens(play, played):
    session = play(whole("The", logprobs=[ENTRY]))

    thunk = session.instruct("Name a fish.", strategy=None, model_options={ModelOption.LOGPROBS: 2})

    (said,) = thunk.generation.logprobs
    assert (said.token, said.bytes, said.logprob) == ("The", b"The", ENTRY["logprob"])
    assert said.alternatives[1] == TokenLogprob("A", -1.5264455080032349, b"A")
    assert played.requests[-1]["logprobs"] is True
    assert played.requests[-1]["top_logprobs"] == 2


def test_server_that_drops_the_wish_is_reported(play):
    session = play(whole("The"))

    with pytest.warns(OptionNotSupportedWarning, match="LOGPROBS"):
        session.chat("Name a fish.", model_options={ModelOption.LOGPROBS: True})


@pytest.mark.parametrize("said", ["much", [{"token": "The"}], [[]]])
def test_malformed_ones_are_our_error(play, said):
    session = play(whole("The", logprobs=said))

    with pytest.raises(MalformedResponseError):
        session.chat("Name a fish.", model_options={ModelOption.LOGPROBS: True})


async def test_plain_completion_has_them(backend):
    (thunk,) = await backend.generate_from_raw(
        [CBlock("The sky is")], model_options={ModelOption.LOGPROBS: True}
    )

    assert "".join(one.token for one in thunk.generation.logprobs) == thunk.value
