"""What is particular to the OpenAI backend: OpenAI itself, its options, processes and sockets."""

import os
import subprocess
import sys

import pytest

from mellea import start_session
from mellea.core import (
    AuthenticationError,
    ModelOption,
    ProviderConnectionError,
    SchemaDialect,
    UsageError,
)
from tests.servers.faults import Reply, completion


def test_server_that_is_down_is_named():
    with (
        start_session("openai", model_id="m", base_url="http://127.0.0.1:9/v1", max_retries=0) as session,
        pytest.raises(ProviderConnectionError, match="127.0.0.1:9"),
    ):
        session.chat("Hi.")


def test_openai_itself_wants_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        start_session("openai", model_id="gpt-4")


def test_openai_itself_gets_its_own_option_names():
    from mellea.backends.openai import OpenAIBackend

    backend = OpenAIBackend("gpt-4", api_key="k", base_url="https://api.openai.com/v1")

    assert backend.options.names[ModelOption.MAX_NEW_TOKENS] == "max_completion_tokens"


def test_schemas_are_said_as_openai_keeps_them():
    from mellea.backends.openai import OpenAIBackend

    backend = OpenAIBackend("gpt-4", api_key="k", base_url="https://api.openai.com/v1")

    assert backend.schema_dialect is SchemaDialect.OPENAI_STRICT


@pytest.mark.parametrize(
    ("fingerprint", "dialect"),
    [("fp_ollama", "llama-cpp"), ("b6412-3f2a1c9", "llama-cpp"), ("fp_1234", "plain"), (None, "plain")],
)
def test_a_server_of_llama_cpp_is_told_apart_by_its_answers(faults, faulty, fingerprint, dialect):
    faults.answers(Reply({**completion("hello"), "system_fingerprint": fingerprint}))

    faulty.chat("Hi.")

    assert faulty.backend.schema_dialect == dialect


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_id": ""}, "empty"),
        ({"model_id": 3}, "not int"),
        ({"model_id": "m", "colour": 1}, "takes no colour"),
    ],
)
def test_wrong_argument_is_our_error(arguments, words):
    with pytest.raises(UsageError, match=words):
        start_session("openai", base_url="http://127.0.0.1:9/v1", **arguments)


def test_thinking_switches_the_chat_template_of_a_compatible_server(faults, faulty):
    faults.answers(Reply(completion("hello")))

    faulty.chat("Hi.", model_options={ModelOption.THINKING: True})

    assert faults.requests[0]["chat_template_kwargs"] == {"enable_thinking": True}


def test_session_works_in_a_forked_child(faults, faulty):
    faults.answers(Reply(completion("hello")))
    faulty.chat("Hi.")

    pid = os.fork()
    if pid == 0:
        os._exit(0 if faulty.chat("Hi.").content == "hello" else 1)

    assert os.waitpid(pid, 0)[1] == 0


def test_closing_the_session_closes_its_sockets(faults):
    faults.answers(Reply(completion("hello")))
    script = f"""
import asyncio, gc
from mellea import start_session
session = start_session("openai", model_id="m", base_url={faults.base_url!r}, api_key="k")
asyncio.run(session.achat("Hi."))
session.chat("Hi.")
session.close()
gc.collect()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert done.stderr == ""


def test_reasoning_is_switched_off_by_effort_once_the_server_is_known_as_ollamas(faults, faulty):
    faults.answers(Reply(completion("x", system_fingerprint="fp_ollama")))
    m = faulty

    m.chat("Hi")
    m.chat("Hi", model_options={ModelOption.THINKING: False})

    assert faults.requests[1]["reasoning_effort"] == "none"
    assert "chat_template_kwargs" not in faults.requests[1]


def test_reasoning_in_the_field_thinking_is_reasoning(faults, faulty):
    whole = completion("4")
    whole["choices"][0]["message"]["thinking"] = "2+2"
    faults.answers(Reply(whole))

    assert faulty.act("Hi").thinking == "2+2"


def test_user_in_the_address_is_sent_as_a_header_and_shown_nowhere(faults):
    faults.answers(Reply(completion("hello")))
    address = faults.base_url.replace("://", "://ann:p%40ss@")

    with start_session("openai", model_id="m", base_url=address) as session:
        assert session.chat("Hi.").content == "hello"
        assert session.backend.base_url == faults.base_url


@pytest.mark.parametrize("address", ["http://[", "htp://127.0.0.1", "127.0.0.1:8000", "http://"])
def test_address_that_is_none_is_the_callers_fault(address):
    with pytest.raises(UsageError, match="no address of a server"):
        start_session("openai", model_id="m", base_url=address)


def test_thinking_goes_beside_what_the_caller_says_of_the_template(faults, faulty):
    faults.answers(Reply(completion("hello")))
    options = {ModelOption.THINKING: False, "chat_template_kwargs": {"tone": "dry"}}

    faulty.chat("Hi.", model_options=options)

    assert faults.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False, "tone": "dry"}


def test_extra_query_goes_into_the_address(faults, faulty):
    faults.answers(Reply(completion("hello")))

    faulty.chat("Hi.", model_options={"extra_query": {"api-version": "7"}})

    assert faults.queries[-1] == {"api-version": "7"}


def test_other_servers_are_told_nothing_of_this_machine(faults, faulty):
    """The SDK names the system, the processor and the interpreter to every server."""
    faults.answers(Reply(completion("hello")))

    faulty.chat("Hi.")

    sent = {name.lower() for name in faults.headers[-1]}
    assert "authorization" in sent
    assert not any(name.startswith("x-stainless") for name in sent)


async def test_plain_completions_take_the_options_of_the_sdk(faults, faulty):
    choice = {"index": 0, "text": "hello", "finish_reason": "stop"}
    faults.answers(Reply({"choices": [choice]}))

    await faulty.backend.generate_from_raw(
        ["Hi."], model_options={"extra_body": {"top_k": 3}, "extra_headers": {"X-A": "1"}}
    )

    assert faults.requests[-1] == {"model": "m", "prompt": "Hi.", "top_k": 3}
    assert faults.headers[-1]["X-A"] == "1"


TOLD = Reply({"tokens": [{"id": 1, "piece": " river"}]})


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply({"error": {"message": "no such route"}}, status) for status in (404, 405, 501)),
        Reply({"tokens": [1, 2]}),
        Reply([]),
        Reply("<html>not an API</html>"),
    ],
    ids=["404", "405", "501", "no pieces", "no tokens", "page"],
)
async def test_server_that_tells_no_tokens_is_asked_once(reply, faults, faulty):
    faults.answers(reply, TOLD)

    assert await faulty.backend.whole_words({"river"}) is None
    assert await faulty.backend.whole_words({"river"}) is None
    await faulty.backend.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply({"error": {"message": "busy"}}, status) for status in (408, 429, 500, 503)),
        Reply([], cut=True),
    ],
    ids=["408", "429", "500", "503", "cut"],
)
async def test_server_that_tells_no_tokens_at_the_moment_is_asked_again(reply, faults, faulty):
    faults.answers(reply, TOLD)

    assert await faulty.backend.whole_words({"river"}) is None
    assert await faulty.backend.whole_words({"river"}) == {"river"}
    await faulty.backend.aclose()
