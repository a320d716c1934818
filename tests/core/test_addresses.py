"""Which addresses are well-formed, which are this machine, and what stands on the way to the others."""

import pytest

from mellea.core.addresses import check_address, is_this_machine, mentioning_proxy, proxy_for
from mellea.core.errors import ProviderConnectionError, ServerError, UsageError

PROXY = "http://me:hidden-word@proxy.example.test:3128"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST", "models.localhost", "localhost.",
     "0.0.0.0", "::", "::ffff:127.0.0.1"],
)  # fmt: skip
def test_this_machine_is_known_by_all_its_names(host):
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "example.test", "localhost.example.test", "mylocalhost", "", None]
)
def test_other_machines_are_not_this_one(host):
    assert not is_this_machine(host)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxy_of_the_environment_is_for_other_machines_only(monkeypatch, variable):
    monkeypatch.setenv(variable, "proxy.example.test:3128")

    assert proxy_for("http://models.example.test/v1") == "http://proxy.example.test:3128"
    assert proxy_for("http://127.0.0.1:11434") is None
    assert proxy_for("http://[::1]:11434") is None
    assert proxy_for("http://localhost:11434") is None


def test_no_proxy_names_the_servers_that_need_none(monkeypatch):
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", "example.test")

    assert proxy_for("https://models.example.test") is None
    assert proxy_for("https://models.example.com") == PROXY
    assert proxy_for("http://models.example.com") is None


def test_error_of_the_way_names_the_proxy_without_its_password(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", PROXY)

    error = mentioning_proxy(ProviderConnectionError("No way.", hint="Start it."), "http://example.test")

    assert "proxy.example.test:3128 (HTTP_PROXY)" in str(error)
    assert "Start it." in str(error)
    assert "NO_PROXY" in str(error)
    assert "hidden-word" not in str(error)


@pytest.mark.parametrize("status", [502, 503, 504, 407])
def test_answer_that_may_be_the_proxys_own_names_it(monkeypatch, status):
    monkeypatch.setenv("HTTP_PROXY", PROXY)

    assert "proxy" in str(mentioning_proxy(ServerError("Bad.", status=status), "http://example.test"))


def test_other_errors_stay_as_they_are(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", PROXY)

    assert str(mentioning_proxy(ServerError("Bad.", status=500), "http://example.test")) == "Bad."
    assert str(mentioning_proxy(ProviderConnectionError("No way."), "http://127.0.0.1")) == "No way."


@pytest.mark.parametrize(
    "address",
    [
        "htp://127.0.0.1",
        "unix:///run/x.sock",
        "ftp://host",
        "http://",
        "127.0.0.1:80",
        "http://h:port",
        "x",
        7,
    ],
)
def test_what_is_no_address_is_the_callers_fault(address):
    with pytest.raises(UsageError, match="no address"):
        check_address(address, backend="b", example="http://127.0.0.1:80")


@pytest.mark.parametrize("address", ["http://127.0.0.1:80", "https://host/v1", "http://[::1]:1/x"])
def test_addresses_of_servers_are_taken(address):
    check_address(address, backend="b", example="http://127.0.0.1:80")
