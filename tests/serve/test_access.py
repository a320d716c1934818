"""Who may ask."""

import httpx2
import pytest

from mellea.core.errors import UsageError
from mellea.serve import App
from mellea.serve.access import Access, is_loopback
from tests.serve.programs import sentiment
from tests.serve.serving import serving

KEY = "key-of-this-server-1"


def test_key_is_asked_for_everywhere_but_for_health():
    async def serve(input):
        return "x"

    with (
        serving(App(serve, access=Access.on("127.0.0.1", KEY))) as (address, _),
        httpx2.Client(base_url=address) as client,
    ):
        for path in ("/v1/models", "/metrics", "/nothing"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"authorization": "Bearer other"}).status_code == 401
        assert client.get("/v1/models", headers={"authorization": f"Bearer {KEY}"}).status_code == 200
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/ready").json() == {"status": "ready"}
        refused = client.get("/v1/models")
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("header", "is_let_in"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8080", True),
        ("proxy.example:80", True),
        ("evil.example:8080", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_reached_under_its_own_names_alone(header, is_let_in):
    access = Access.on("127.0.0.1", None, ["Proxy.example"])
    assert (access.refusal("/v1/models", {"host": header}) is None) is is_let_in


def test_beyond_loopback_any_name_will_do_unless_some_are_named():
    assert Access.on("0.0.0.0", KEY).refusal("/health", {"host": "any"}) is None
    assert Access.on("0.0.0.0", KEY, ["one"]).refusal("/health", {"host": "any"}).status == 403
    assert KEY not in repr(Access.on("localhost", KEY))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("a.b", False),
    ],
)
def test_loopback_is_told_from_the_rest(host, local):
    assert is_loopback(host) is local


def test_what_cannot_be_served_is_refused():
    for programs, why in (
        ((), "no program"),
        ((sentiment, sentiment), "one name"),
        ((lambda text: text,), "takes no input"),
        ((int,), "cannot be served"),
    ):
        with pytest.raises(UsageError, match=why):
            App(*programs)
