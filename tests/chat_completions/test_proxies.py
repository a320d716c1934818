"""Proxies of the environment: for other machines only, and named where they stand in the way."""

import pytest

from mellea.core.errors import ProviderConnectionError, UsageError
from tests.chat_completions.routes import HOSTED, LITELLM, OPENAI
from tests.servers.faults import Reply, completion


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_server_on_this_machine_is_not_asked_through_a_proxy(
    open_faulty, faults, monkeypatch, variable, host
):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    faults.answers(Reply(completion("Fine.")))
    m = open_faulty(base_url=faults.base_url.replace("127.0.0.1", host))

    assert m.chat("Hi").content == "Fine."


def test_proxy_that_does_not_answer_is_named(open_faulty, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    m = open_faulty(base_url="http://models.example.test/v1")

    with pytest.raises(ProviderConnectionError, match=r"127\.0\.0\.1:9 \(HTTP_PROXY\)"):
        m.chat("Hi")


def test_other_servers_are_asked_through_the_proxy(open_faulty, faults, monkeypatch):
    monkeypatch.setenv("http_proxy", faults.url)
    faults.answers(Reply(completion("Fine.")))

    # Another host than above: LiteLLM remembers the proxy of each.
    assert open_faulty(base_url="http://others.example.test/v1").chat("Hi").content == "Fine."


@pytest.mark.parametrize("address", ["htp://127.0.0.1/v1", "unix:///run/x.sock", "127.0.0.1:8080/v1"])
@pytest.mark.parametrize("way", [OPENAI, LITELLM, HOSTED], ids=str)
def test_what_is_no_address_is_the_callers_fault(way, address):
    with pytest.raises(UsageError, match="no address"):
        way.open("m", address)
