"""Log-probabilities: one value for the shapes of all providers, asked for by one option."""

import json
import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea import ModelOption, start_session
from mellea.core import (
    Capability,
    CapabilityError,
    OptionNotSupportedWarning,
    TokenLogprob,
    UnsupportedOptionError,
    UsageError,
)
from mellea.core.logprobs import completion_logprobs, logprob_options, logprobs_from, logprobs_to_json
from mellea.testing import Reply, ScriptedBackend

NO = TokenLogprob("no", -1.5, b"no")
YES = TokenLogprob("yes", -0.25, b"yes", (TokenLogprob("yes", -0.25, b"yes"), NO))
ABLE = {Capability.STREAMING, Capability.RAW, Capability.LOGPROBS}


def test_probability_is_that_of_the_logarithm():
    assert TokenLogprob("a", math.log(0.25)).probability == pytest.approx(0.25)
    assert TokenLogprob("a", -math.inf).probability == 0
    assert TokenLogprob("a", 1e-7).probability == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"token": None, "logprob": -1.0},
        {"token": "a", "logprob": None},
        {"token": "a", "logprob": "-1"},
        {"token": "a", "logprob": True},
        {"token": "a", "logprob": math.nan},
        {"token": "a", "logprob": -1.0, "bytes": "a"},
        {"token": "a", "logprob": -1.0, "bytes": [256]},
        {"token": "a", "logprob": -1.0, "bytes": ["a"]},
    ],
)
def test_what_is_no_log_probability_is_refused(fields):
    with pytest.raises(TypeError):
        TokenLogprob(**fields)


ENTRY = {"token": "yes", "logprob": -0.25, "bytes": [121, 101, 115]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, ()),
        ({}, ()),
        ({"content": None}, ()),
        ({"content": [ENTRY], "refusal": None}, (TokenLogprob("yes", -0.25, b"yes"),)),
        ({"refusal": [ENTRY]}, (TokenLogprob("yes", -0.25, b"yes"),)),
        (
            [{**ENTRY, "top_logprobs": [ENTRY]}],
            (TokenLogprob("yes", -0.25, b"yes", (TokenLogprob("yes", -0.25, b"yes"),)),),
        ),
        ([{"token": "é", "logprob": -1, "bytes": None, "top_logprobs": None}], (TokenLogprob("é", -1),)),
        (
            {
                "tokens": ["The", " sky"],
                "token_logprobs": [None, -0.5],
                "top_logprobs": [None, {" sea": -2.0, " sky": -0.5}],
            },
            (TokenLogprob(" sky", -0.5, None, (TokenLogprob(" sky", -0.5), TokenLogprob(" sea", -2.0))),),
        ),
        ({"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": None}, (TokenLogprob("a", -1.0),)),
    ],
)
def test_every_shape_becomes_the_same_value(said, expected):
    assert logprobs_from(said) == expected


@pytest.mark.parametrize(
    "said",
    [
        "yes",
        7,
        ["yes"],
        [{"token": "yes"}],
        [{**ENTRY, "logprob": "much"}],
        [{**ENTRY, "bytes": "yes"}],
        [{**ENTRY, "top_logprobs": 3}],
        [{**ENTRY, "top_logprobs": ["no"]}],
        {"content": [None]},
        {"tokens": ["a", "b"], "token_logprobs": [-1.0]},
        {"tokens": ["a"], "token_logprobs": None},
    ],
)
def test_another_shape_is_refused(said):
    with pytest.raises(TypeError):
        logprobs_from(said)


LOGPROBS = st.recursive(
    st.builds(
        TokenLogprob,
        st.text(),
        st.floats(max_value=0, allow_nan=False, allow_infinity=False),
        st.none() | st.binary(),
    ),
    lambda inner: st.builds(
        TokenLogprob, st.text(), st.just(-1.0), st.none(), st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=4,
)


@given(st.lists(LOGPROBS, max_size=3))
def test_json_gives_the_same_values_back(logprobs):
    assert logprobs_from(json.loads(json.dumps(logprobs_to_json(logprobs)))) == tuple(logprobs)


@pytest.mark.parametrize(
    ("value", "chat", "completion"),
    [
        (True, {"logprobs": True}, {"logprobs": 1}),
        (3, {"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}),
        (False, {}, {}),
    ],
)
def test_option_is_said_as_each_interface_takes_it(value, chat, completion):
    assert logprob_options(value) == chat
    assert completion_logprobs(chat) == completion


@pytest.mark.parametrize("value", [0, -1, 1.5, "all"])
def test_option_of_another_kind_is_refused_before_sending(value):
    backend = ScriptedBackend("yes", capabilities=ABLE)
    with start_session(backend) as session, pytest.raises(UsageError, match="LOGPROBS is"):
        session.chat("Well?", model_options={ModelOption.LOGPROBS: value})

    assert backend.calls == 0


def test_backend_without_them_refuses_before_sending():
    backend = ScriptedBackend("yes")
    with start_session(backend) as session, pytest.raises(CapabilityError, match="'logprobs'.*LOGPROBS"):
        session.instruct("Well?", model_options={ModelOption.LOGPROBS: True})

    assert backend.calls == 0


@pytest.mark.parametrize(
    ("asked", "known"),
    [(True, (TokenLogprob("yes", -0.25, b"yes"),)), (2, (YES,)), (5, (YES,))],
)
def test_output_keeps_as_many_alternatives_as_were_asked_for(asked, known):
    backend = ScriptedBackend(Reply("yes", logprobs=[YES]), capabilities=ABLE)
    with start_session(backend) as session:
        thunk = session.instruct("Well?", strategy=None, model_options={ModelOption.LOGPROBS: asked})

    assert thunk.generation.logprobs == known


def test_output_has_none_unless_they_were_asked_for():
    with start_session(ScriptedBackend("yes", capabilities=ABLE)) as session:
        assert session.instruct("Well?", strategy=None).generation.logprobs is None


def test_call_may_switch_them_off():
    backend = ScriptedBackend("yes", capabilities=ABLE, model_options={ModelOption.LOGPROBS: 3})
    with start_session(backend) as session:
        thunk = session.instruct("Well?", strategy=None, model_options={ModelOption.LOGPROBS: False})

    assert thunk.generation.logprobs is None


def test_server_that_gives_none_is_reported_once():
    backend = ScriptedBackend("yes", capabilities=ABLE, model_options={ModelOption.LOGPROBS: True})
    with start_session(backend) as session:
        with pytest.warns(OptionNotSupportedWarning, match="LOGPROBS: its server gave none"):
            assert session.chat("Well?") == "yes"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            session.chat("Well?")


def test_server_that_gives_none_is_an_error_in_strict_mode():
    backend = ScriptedBackend("yes", capabilities=ABLE, strict_options=True)
    with start_session(backend) as session, pytest.raises(UnsupportedOptionError, match="LOGPROBS"):
        session.chat("Well?", model_options={ModelOption.LOGPROBS: True})
