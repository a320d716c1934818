"""How the server is found and opened: addresses, the key, headers, proxies, and what it has."""

import pickle
import traceback

import pytest

from mellea import start_session
from mellea.core.errors import (
    AuthenticationError,
    ModelNotFoundError,
    ProviderConnectionError,
    RequestRejectedError,
    UsageError,
)
from mellea_ollama import OllamaModelBackend
from mellea_ollama.address import Access
from tests.ollama.played import stream, whole
from tests.servers.faults import Reply

KEY = "the-key-of-7-gateways"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (
        "OLLAMA_HOST",
        "OLLAMA_API_KEY",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "no_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("example.test", "http://example.test:11434"),
        ("example.test:8080", "http://example.test:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("http://example.test", "http://example.test"),
        ("https://example.test/", "https://example.test"),
        ("https://example.test/ollama/v1/", "https://example.test/ollama"),
        ("http://example.test:1/api", "http://example.test:1"),
        ("example.test/v1", "http://example.test:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("0.0.0.0", "http://0.0.0.0:11434"),
        ("http://example.test/v10", "http://example.test/v10"),
    ],
)
def test_address_is_understood_however_it_is_written(written, url):
    assert Access.of(written).url == url


@pytest.mark.parametrize("tail", ["/v1", "/v1/", "/api", "/api/", "/"])
def test_paths_of_the_servers_protocols_may_stand_behind_the_address(play, played, tail):
    m = play(base_url=played.url + tail)

    assert str(m.chat("Hi")) == "Fine."


@pytest.mark.parametrize("address", ["htp://127.0.0.1:1", "unix:///run/ollama.sock", "ftp://127.0.0.1"])
def test_another_scheme_is_the_callers_fault(address):
    with pytest.raises(UsageError, match="no address"):
        OllamaModelBackend("smollm2", base_url=address)


# The key and the headers


@pytest.mark.parametrize("given", [{"api_key": KEY}, {"headers": {"Authorization": f"Bearer {KEY}"}}])
def test_key_goes_with_every_request(play, played, given):
    play(**given).chat("Hi")

    assert {headers["Authorization"] for headers in played.headers} == {f"Bearer {KEY}"}
    assert len(played.headers) >= 2


def test_key_comes_from_the_environment_unless_one_is_given(play, played, monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "from-the-environment-1")

    play().chat("Hi")
    assert {headers["Authorization"] for headers in played.headers} == {"Bearer from-the-environment-1"}

    play(api_key=KEY).chat("Hi")
    assert played.headers[-1]["Authorization"] == f"Bearer {KEY}"


def test_credentials_in_the_address_are_a_basic_authorization(play, played):
    m = play(base_url=played.url.replace("http://", "http://me:word%40home@"))

    m.chat("Hi")

    assert played.headers[-1]["Authorization"] == "Basic bWU6d29yZEBob21l"
    assert "word" not in m.backend.base_url


def test_headers_go_with_every_request(play, played):
    play(headers={"X-Team": "blue"}).chat("Hi")

    assert len(played.headers) >= 2
    assert {headers["X-Team"] for headers in played.headers} == {"blue"}


def test_header_of_several_lines_is_refused():
    with pytest.raises(UsageError, match="no line"):
        Access.of(None, headers={"X-Team": "a\r\nAuthorization: b"})


@pytest.mark.parametrize("words", [f"key {KEY} is not known", f"Authorization: Bearer {KEY} refused"])
def test_key_is_shown_in_no_error_and_no_repr(play, words):
    m = play(Reply({"error": words}, 401), api_key=KEY)

    with pytest.raises(AuthenticationError) as caught:
        m.chat("Hi")

    shown = [*traceback.format_exception(caught.value), repr(m.backend), repr(Access.of(None, api_key=KEY))]
    assert KEY not in "".join(shown)
    assert KEY.encode() not in pickle.dumps(caught.value)


def test_redirect_is_not_followed(play, played):
    m = play(Reply("", 307, {"Location": "http://127.0.0.2:9/api/chat"}))

    with pytest.raises(RequestRejectedError, match="not followed"):
        m.chat("Hi")


# Proxies


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_server_on_this_machine_is_not_asked_through_a_proxy(play, played, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")

    assert str(play().chat("Hi")) == "Fine."
    assert str(play(base_url=played.url.replace("127.0.0.1", "localhost")).chat("Hi")) == "Fine."


def test_other_servers_are_asked_through_the_proxy(played, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", played.url)
    played.answers(whole("Fine."))

    with start_session("ollama", "smollm2", base_url="http://models.example.test") as m:
        assert str(m.chat("Hi")) == "Fine."

    assert played.headers[-1]["Host"] == "models.example.test"


def test_proxy_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    with pytest.raises(ProviderConnectionError, match=r"127\.0\.0\.1:9 \(HTTP_PROXY\)"):
        OllamaModelBackend("smollm2", base_url="http://models.example.test")


# What is there


def test_pull_that_fails_says_what_is_installed(play, played):
    played.models["smolthink:latest"] = ["completion", "thinking"]
    failed = stream({"status": "pulling manifest"}, {"error": "pull model manifest: no such host"})

    with pytest.raises(ModelNotFoundError, match=r"no such host.* Installed are .*smollm2:latest"):
        play(failed, model_id="nosuch")


def test_server_without_models_says_so(play, played):
    played.models.clear()

    with pytest.raises(ModelNotFoundError, match="No model is installed"):
        play(pull=False)
