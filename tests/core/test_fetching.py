"""Fetching by address, from a server that does what it likes. Its address is public to the fetcher alone."""

import socket

import pytest
from attrs import define, field

from mellea.core.addresses import public_addresses
from mellea.core.errors import UsageError
from mellea.core.fetching import Fetcher
from tests.servers.faults import FaultServer, Reply, running_fault_server

PUBLIC = "93.184.216.34"
"""Stands for the test's server, whatever the port."""


@define
class Net:
    """A network in which the public address, and names that lead there, are the test's server."""

    server: FaultServer
    reached: list = field(factory=list)

    @property
    def port(self):
        return int(self.server.url.rpartition(":")[2])

    def connect(self, found, timeout):
        self.reached.append(found[0])
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def fetch(self, path="/a.png", host=PUBLIC, **limits):
        fetcher = Fetcher(**{"seconds": 5.0, "connect": self.connect, **limits})
        return fetcher.fetch(f"http://{host}:{self.port}{path}")


@pytest.fixture
def net():
    with running_fault_server() as server:
        yield Net(server)


def to(address, status=302):
    return Reply("", status, {"location": address})


def test_what_is_there_is_fetched(net):
    net.server.answers(Reply("an image"))

    assert net.fetch() == b"an image"
    assert net.reached == [PUBLIC]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_a_public_host_is_followed(net, status):
    net.server.answers(to("/other.png", status), Reply("an image"))

    assert net.fetch() == b"an image"


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/secret",
        "http://169.254.169.254/latest/meta-data",
        "//10.0.0.1/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://2130706433/",
        "http://localhost:8080/",
    ],
)
def test_redirect_to_a_private_address_is_refused(net, target):
    net.server.answers(to(target), Reply("secret"))

    with pytest.raises(UsageError, match="leads to no public host"):
        net.fetch()

    assert net.reached == [PUBLIC]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://8.8.8.8/x", "data:text/plain,x"])
def test_redirect_to_another_scheme_is_refused(net, target):
    net.server.answers(to(target))

    with pytest.raises(UsageError, match="no http"):
        net.fetch()


def test_redirects_without_end_are_refused(net):
    net.server.answers(to("/round.png"))

    with pytest.raises(UsageError, match="redirects more than 2 times"):
        net.fetch(most_redirects=2)

    assert len(net.reached) == 3


def test_name_is_resolved_once_and_the_connection_goes_where_it_was_looked_at(net):
    """The second answer of a name server, which may lead elsewhere, is never asked for."""
    answers = [[PUBLIC], ["127.0.0.1"]]
    net.server.answers(Reply("an image"))

    assert net.fetch(host="images.example", resolve=lambda _: answers.pop(0)) == b"an image"
    assert net.reached == [PUBLIC]
    assert answers == [["127.0.0.1"]]


def test_name_of_which_one_address_is_private_is_refused(monkeypatch):
    found = [(0, 0, 0, "", ("8.8.8.8", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(UsageError, match="no public host"):
        public_addresses("http://images.example/a.png")


def test_large_file_is_refused_before_it_is_read(net):
    net.server.answers(Reply("x" * 2000))

    with pytest.raises(UsageError, match="more than 1,000 bytes"):
        net.fetch(most_bytes=1000)


def test_large_file_of_unknown_size_is_not_read_to_its_end(net):
    net.server.answers(Reply(["x" * 1000] * 5))

    with pytest.raises(UsageError, match="more than 1,500 bytes"):
        net.fetch(most_bytes=1500)


def test_server_that_falls_silent_is_left(net):
    net.server.answers(Reply(["some"], stall=True))

    with pytest.raises(UsageError, match=r"takes longer than 0\.3 seconds|timed out"):
        net.fetch(seconds=0.3)

    assert net.server.client_left.wait(10)


def test_name_server_that_falls_silent_is_left(net):
    import threading

    waits = threading.Event()

    with pytest.raises(UsageError, match="takes longer"):
        net.fetch(seconds=0.2, resolve=lambda _: waits.wait(10) and [])
    waits.set()


def test_answer_that_is_cut_is_refused(net):
    net.server.answers(Reply("half", headers={"content-length": "400"}, cut=True))

    with pytest.raises(UsageError, match="cut|fetched"):
        net.fetch()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply("nothing", 404), "status 404"),
        (Reply("", 302), "status 302"),
        (Reply("x", headers={"content-encoding": "gzip"}), "compressed"),
        (Reply("x", headers={"content-encoding": "br"}), "compressed"),
    ],
)
def test_answer_that_is_no_file_is_refused(net, reply, why):
    net.server.answers(reply)

    with pytest.raises(UsageError, match=why):
        net.fetch()


def test_no_connection_is_our_error():
    def refuse(found, timeout):
        raise ConnectionRefusedError("refused")

    with pytest.raises(UsageError, match="cannot be fetched: refused"):
        Fetcher(connect=refuse).fetch(f"http://{PUBLIC}/a.png")


def test_next_address_of_a_host_is_tried(net):
    def connect(found, timeout):
        if found[0] != PUBLIC:
            raise ConnectionRefusedError("refused")
        return net.connect(found, timeout)

    net.server.answers(Reply("an image"))

    assert net.fetch(connect=connect, resolve=lambda _: ["2606:4700::1", PUBLIC]) == b"an image"


@pytest.mark.parametrize("address", ["ftp://x/a", "a.png", "", "http://[::1", None, "file:///etc/passwd"])
def test_what_is_no_http_address_is_refused(address):
    with pytest.raises(UsageError, match="no http"):
        Fetcher().fetch(address)


def test_password_of_an_address_is_sent_to_its_host_only_and_not_shown(net):
    net.server.answers(to(f"http://{PUBLIC}:{net.port}/b.png"), Reply("nothing", 404))

    with pytest.raises(UsageError) as caught:
        net.fetch(host=f"ann:secret@{PUBLIC}")

    assert "secret" not in str(caught.value)
    assert net.server.headers[0]["authorization"].startswith("Basic ")
    assert "authorization" not in net.server.headers[1]


def test_path_with_blanks_and_letters_is_sent_encoded(net):
    net.server.answers(Reply("an image"))

    assert net.fetch("/ein Bild/ü.png?größe=1&x=%20") == b"an image"
