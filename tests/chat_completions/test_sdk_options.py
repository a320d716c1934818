"""Options that the SDK takes beside the fields of a request: the same on every route."""

from __future__ import annotations

import time

import pytest

from mellea.core import AuthenticationError, ProviderTimeoutError, UsageError
from tests.chat_completions.routes import HOSTED, LITELLM
from tests.servers.faults import Reply, completion, delta

ANSWER = Reply(completion("hello"))


def sent(faults):
    return {name: value for name, value in faults.requests[-1].items() if name != "messages"}


def test_fields_of_extra_body_are_fields_of_the_request(faults, open_faulty):
    faults.answers(ANSWER)

    open_faulty().chat("Hi.", model_options={"extra_body": {"top_k": 3, "mirostat": 2}})

    assert sent(faults) == {"model": "m", "top_k": 3, "mirostat": 2}


def test_streams_take_them_too(faults, open_faulty):
    faults.answers(Reply([delta("hel"), delta("lo", "stop"), "data: [DONE]\n\n"]))

    list(open_faulty().stream_chat("Hi.", model_options={"extra_body": {"top_k": 3}}))

    assert (sent(faults)["top_k"], sent(faults)["stream"]) == (3, True)


def test_layers_each_add_their_own(faults, open_faulty):
    faults.answers(ANSWER)
    m = open_faulty(model_options={"extra_body": {"min_p": 0.1, "top_k": 1}, "extra_headers": {"X-A": "1"}})

    m.chat("Hi.", model_options={"extra_body": {"top_k": 3}, "extra_headers": {"X-B": "2"}})

    assert (sent(faults)["min_p"], sent(faults)["top_k"]) == (0.1, 3)
    assert (faults.headers[-1]["X-A"], faults.headers[-1]["X-B"]) == ("1", "2")


def test_nested_options_are_merged(faults, open_faulty):
    faults.answers(ANSWER)
    m = open_faulty(model_options={"chat_template_kwargs": {"a": 1}})
    options = {
        "chat_template_kwargs": {"b": 2},
        "extra_body": {"chat_template_kwargs": {"c": 3}},
    }

    m.chat("Hi.", model_options=options)

    assert sent(faults)["chat_template_kwargs"] == {"a": 1, "b": 2, "c": 3}
    assert options["extra_body"] == {"chat_template_kwargs": {"c": 3}}


def test_time_out_is_the_clients(faults, open_faulty):
    faults.answers(Reply("", stall=True))
    started = time.monotonic()

    with pytest.raises(ProviderTimeoutError, match=r"timeout=\.\.\. \(seconds\)"):
        open_faulty(timeout=60).chat("Hi.", model_options={"timeout": 0.2})

    assert time.monotonic() - started < 60


def test_key_in_a_header_that_the_server_repeats_is_blanked(faults, open_faulty):
    faults.answers(Reply({"error": {"message": "No such key: top-secret-1"}}, status=401))

    with pytest.raises(AuthenticationError) as caught:
        open_faulty().chat("Hi.", model_options={"extra_headers": {"X-Api-Key": "top-secret-1"}})

    assert "top-secret-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"extra_body": "top_k=3"}, "'extra_body' is str"),
        ({"extra_headers": ["X-A"]}, "'extra_headers' is list"),
        ({"extra_headers": {"X-A": 1}}, "'X-A' among extra_headers"),
        ({"extra_headers": {"X-A": "1\r\nX-B: 2"}}, "'X-A' among extra_headers"),
        ({"extra_headers": {"Größe": "1"}}, "'Größe' among extra_headers"),
        ({"extra_body": {"stream": True}}, "'stream' among extra_body.*ModelOption.STREAM"),
        ({"extra_body": {"messages": []}}, "'messages' among extra_body"),
        ({"extra_body": {"n": 2}}, "n=2 asks for several answers"),
        ({"timeout": 0}, "timeout=0 is no time"),
        ({"timeout": "5"}, "timeout='5' is no time"),
        ({"timeout": float("nan")}, "timeout=nan is no time"),
    ],
)
def test_what_cannot_be_sent_is_refused_before(faults, open_faulty, options, words):
    faults.answers(ANSWER)

    with pytest.raises(UsageError, match=words):
        open_faulty().chat("Hi.", model_options=options)

    assert faults.requests == []


@pytest.mark.parametrize("route", [LITELLM, HOSTED], ids=str, indirect=True)
def test_litellm_says_that_it_takes_no_extra_query(faults, open_faulty):
    faults.answers(ANSWER)

    with pytest.raises(UsageError, match="takes no option 'extra_query'"):
        open_faulty().chat("Hi.", model_options={"extra_query": {"api-version": "7"}})
