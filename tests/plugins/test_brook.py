"""The backend of the page for plugin authors: a provider over HTTP, installed and used by name."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest

from mellea import ChatContext, MelleaSession, ModelOption, start_session
from mellea.core import (
    AuthenticationError,
    MalformedResponseError,
    ModelNotFoundError,
    ProviderConnectionError,
    RateLimitError,
    RequestRejectedError,
    ServerError,
    StreamInterruptedError,
    Usage,
    UsageError,
)
from mellea.plugins.checks import checked_listing
from mellea.plugins.registry import PluginRegistry
from tests.docs.pages import DOCS, blocks
from tests.plugins.brook_server import KEY, BrookServer, running_brook


class Person(pydantic.BaseModel):
    name: str


@pytest.fixture
def brook() -> Iterator[BrookServer]:
    with running_brook() as server:
        yield server


@pytest.fixture
def m(install, brook) -> Iterator[MelleaSession]:
    """A session on the running server."""
    install("ndjson-backend")
    once = {ModelOption.MAX_RETRIES: 0}
    with start_session(
        "brook", base_url=brook.url, api_key=KEY, ctx=ChatContext(), model_options=once
    ) as session:
        yield session


@pytest.mark.parametrize("stream", [False, True])
def test_answers_whole_and_in_pieces(m, stream):
    output = m.act("one two three", model_options={ModelOption.STREAM: stream})

    assert output.value == "one two three"
    assert output.generation.finish_reasons == ("stop",)
    assert output.generation.usage == Usage(3, 3)


def test_pieces_come_one_by_one(m):
    assert list(m.stream_chat("one two three")) == ["one", " two", " three"]


def test_conversation_is_sent_with_its_roles(m, brook):
    m.chat("one")
    m.chat("two", model_options={ModelOption.SYSTEM_PROMPT: "Repeat."})

    assert brook.requests[-1]["messages"] == [
        {"role": "system", "text": "Repeat."},
        {"role": "user", "text": "one"},
        {"role": "assistant", "text": "one"},
        {"role": "user", "text": "two"},
    ]


def test_options_have_the_providers_names(m, brook):
    options = {ModelOption.MAX_NEW_TOKENS: 2, ModelOption.SEED: 3, "voice": "low"}

    output = m.act("one two three", model_options=options)

    assert output.value == "one two"
    assert output.generation.finish_reasons == ("length",)
    assert {name: brook.requests[-1][name] for name in ("limit", "seed", "voice")} == {
        "limit": 2,
        "seed": 3,
        "voice": "low",
    }


def test_reasoning_is_apart_from_the_answer(m):
    output = m.act("one", model_options={ModelOption.THINKING: True})

    assert (output.value, output.thinking) == ("one", "Hm.")


def test_schema_is_sent(m, brook):
    assert m.chat("Who?", format=Person).parsed == Person(name="Ada")
    assert brook.requests[-1]["schema"]["properties"].keys() == {"name"}


def test_model_without_schemas_is_asked_in_words(install, brook):
    install("ndjson-backend")

    with start_session("brook", "brook-plain", base_url=brook.url, api_key=KEY) as m:
        m.chat("Who?", format=Person)

    assert "schema" not in brook.requests[0]
    assert "JSON" in brook.requests[0]["messages"][-1]["text"]


async def test_plain_completion(m):
    completed = await m.backend.generate_from_raw(["one", "two"])

    assert [each.value for each in completed] == ["ONE", "TWO"]


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        ("busy", RateLimitError, "Try again in 7 seconds"),
        ("elsewhere", RequestRejectedError, "307: .*not followed to another host"),
        ("fails within", ServerError, "I am overloaded"),
        ("hangs up", StreamInterruptedError, "ended before the answer was complete"),
        ("page", MalformedResponseError, "no line of an answer: '<html>"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_are_our_errors_and_leave_the_session_as_it_was(m, prompt, error, words, stream):
    with pytest.raises(error, match=words) as caught:
        m.chat(prompt, model_options={ModelOption.STREAM: stream})

    assert (caught.value.backend, caught.value.model_id) == ("brook", "brook-1")
    assert m.chat("one").content == "one"


def test_stream_without_its_last_line_is_no_answer(m):
    with pytest.raises(StreamInterruptedError, match="ended before the answer was complete"):
        list(m.stream_chat("ends early"))


def test_wrong_key_is_refused_and_not_shown(install, brook):
    install("ndjson-backend")

    with (
        start_session("brook", base_url=brook.url, api_key="wrong-key-5678") as m,
        pytest.raises(AuthenticationError, match="is not known") as caught,
    ):
        m.chat("one")

    assert "wrong-key-5678" not in str(caught.value)


def test_key_and_address_come_from_the_environment(install, brook, monkeypatch):
    install("ndjson-backend")
    monkeypatch.setenv("BROOK_API_KEY", KEY)
    monkeypatch.setenv("BROOK_URL", brook.url)

    with start_session("brook") as m:
        assert m.chat("one").content == "one"


def test_missing_key_says_where_it_goes(install, monkeypatch):
    install("ndjson-backend")
    monkeypatch.delenv("BROOK_API_KEY", raising=False)

    with pytest.raises(AuthenticationError, match=r"Set BROOK_API_KEY, or pass api_key"):
        start_session("brook")


def test_misspelt_argument_is_named(install):
    install("ndjson-backend")

    with pytest.raises(UsageError, match=r"takes no argument 'api_kye'\. Did you mean 'api_key'\?"):
        start_session("brook", api_kye="k")


def test_unknown_model_is_told(install, brook):
    install("ndjson-backend")

    with (
        start_session("brook", "stream-9", base_url=brook.url, api_key=KEY) as m,
        pytest.raises(ModelNotFoundError, match="There is no model stream-9"),
    ):
        m.chat("one")


def test_server_that_is_down_is_named(install):
    install("ndjson-backend")

    with (
        start_session("brook", base_url="http://127.0.0.1:9", api_key=KEY) as m,
        pytest.raises(ProviderConnectionError, match=r"No connection to http://127.0.0.1:9"),
    ):
        m.chat("one")


def test_leaving_a_stream_stops_the_server(m, brook):
    for _ in m.stream_chat("stalls"):
        break

    assert brook.client_left.wait(10)


def test_every_loop_has_a_client_of_its_own_and_none_is_left_open(install, brook):
    install("ndjson-backend")

    async def one() -> str:
        async with start_session("brook", base_url=brook.url, api_key=KEY) as m:
            return (await m.achat("one")).content

    assert [asyncio.run(one()), asyncio.run(one())] == ["one", "one"]
    gc.collect()  # an open client would be a warning, and so an error


def test_closed_backend_opens_again(m):
    assert m.chat("one").content == "one"
    m.backend.close()

    assert m.chat("two").content == "two"


def test_check_finds_nothing_wrong(install):
    install("ndjson-backend")

    row = next(row for row in checked_listing(PluginRegistry({}), "backend") if row.name == "brook")

    assert (row.status, row.problem) == ("ok", "")


def test_provider_of_the_page_on_the_kit_lets_it_pass(samples, tmp_path: Path):
    page = blocks(DOCS / "conformance.md", "python")
    (shown,) = [block.text for block in page if "class BrookProvider" in block.text]
    (tmp_path / "test_shown.py").write_text(shown)
    path = os.pathsep.join([samples.path("ndjson-backend"), *sys.path])

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "mellea.testing.pytest_plugin", "."],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rpartition(" passed")[0].rpartition("\n")[2]) > 60
