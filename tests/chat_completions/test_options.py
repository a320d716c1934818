"""Options that no server can honour, on every route."""

import linecache

import pytest

from mellea.core import ModelOption
from mellea.core.errors import UsageError
from mellea.core.options import UnknownOptionWarning
from tests.servers.faults import Reply, completion

NOTHING = [
    {ModelOption.MAX_NEW_TOKENS: 0},
    {"max_tokens": 0},
    {ModelOption.STOP_SEQUENCES: ""},
    {"stop": ["a", ""]},
]
CALL = 'faulty.chat("Hi", model_options={"tempreature": 0.5})'
ACALL = CALL.replace("chat", "achat")


@pytest.mark.parametrize("options", NOTHING, ids=str)
def test_no_tokens_and_empty_stops_are_refused_before_anything_is_sent(faulty, faults, options):
    faults.answers(Reply(completion("x")))

    with pytest.raises(UsageError, match="nothing was sent"):
        faulty.chat("Hi", model_options=options)

    assert faults.requests == []


def test_misspelled_option_is_reported_at_the_callers_line_and_sent(faulty, faults):
    faults.answers(Reply(completion("x")))

    with pytest.warns(UnknownOptionWarning, match="'temperature'") as caught:
        faulty.chat("Hi", model_options={"tempreature": 0.5})

    assert [linecache.getline(__file__, warning.lineno).strip() for warning in caught] == [CALL]


async def test_misspelled_option_of_an_asynchronous_call_is_reported_at_its_line(faulty, faults):
    faults.answers(Reply(completion("x")))

    with pytest.warns(UnknownOptionWarning) as caught:
        await faulty.achat("Hi", model_options={"tempreature": 0.5})

    assert [linecache.getline(__file__, warning.lineno).strip() for warning in caught] == [f"await {ACALL}"]
