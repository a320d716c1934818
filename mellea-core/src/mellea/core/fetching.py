"""Fetching what somebody else has written the address of: an image, a sound.

Only public hosts are asked. A name is resolved once, and the connection goes to the address that was looked
at, so that no second answer of a name server leads elsewhere. Each redirect is looked at in the same way.
Size, time and the number of redirects are bounded, whatever the server does.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from attrs import define, field, frozen

from mellea.core.addresses import proxy_for, public_addresses, without_user
from mellea.core.errors import MelleaError, UsageError
from mellea.core.redaction import redacted

__all__ = ["Fetcher", "fetch"]

_KINDS = {"http": (http.client.HTTPConnection, 80), "https": (http.client.HTTPSConnection, 443)}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 65_536
_KEPT_BYTES = 64 * 1024 * 1024
"""Of what was fetched last, so much is kept to be handed out again."""
_ITSELF = "Load what is there and pass its bytes, with ImageBlock.from_bytes or AudioBlock.from_bytes."


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@define
class _Work:
    """One fetch, in a thread of its own: neither a name server nor a slow sender can hold up who waits."""

    fetcher: Fetcher
    address: str
    data: bytes = b""
    error: Exception | None = None
    is_over: bool = False
    _socket: socket.socket | None = None
    _lock: threading.Lock = field(factory=threading.Lock)

    def run(self) -> None:
        try:
            self.data = self._followed()
        except Exception as error:  # noqa: BLE001  whoever waits raises it
            self.error = error

    def give_up(self) -> None:
        """End the connection, which ends the thread."""
        with self._lock:
            self.is_over = True
            _shut(self._socket)

    def _followed(self) -> bytes:
        here = self.address
        for _ in range(self.fetcher.most_redirects + 1):
            found, target = self._asked(here)
            if target is None:
                return found
            there = urljoin(here, target)
            if urlsplit(there).scheme not in ("http", "https"):
                raise _refusal(self.address, f"redirects to {redacted(there)!r}, which is no http(s) address")
            if urlsplit(here).scheme == "https" and urlsplit(there).scheme == "http":
                raise _refusal(self.address, "redirects from https to http")
            here = there
        raise _refusal(self.address, f"redirects more than {self.fetcher.most_redirects} times")

    def _asked(self, address: str) -> tuple[bytes, str | None]:
        """Return what is at an address, or where it redirects to."""
        bare, user = without_user(address)
        parts = urlsplit(bare)
        kind, port = _KINDS[parts.scheme]
        connection = kind(parts.hostname or "", parts.port or port, timeout=self.fetcher.seconds)
        connection.sock = self._connected(bare, connection)
        with closing(connection):
            path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
                "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~") if parts.query else ""
            )
            headers = {"Accept-Encoding": "identity", "User-Agent": "mellea", "Connection": "close"}
            # A redirect may lead to somebody else, who is told no password.
            if user is not None and address == self.address:
                headers["Authorization"] = user
            connection.request("GET", path, headers=headers)
            with closing(connection.getresponse()) as response:
                return self._answered(response)

    def _answered(self, response: http.client.HTTPResponse) -> tuple[bytes, str | None]:
        if response.status in _REDIRECTS and (target := response.getheader("Location")):
            return b"", target
        if response.status != 200:
            raise _refusal(self.address, f"is answered with status {response.status}")
        if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
            raise _refusal(self.address, "comes compressed, though it was not asked for")
        return self._read(response), None

    def _connected(self, address: str, connection: Any) -> socket.socket:
        """Return a connection to one of the addresses of a host, of which all have been looked at."""
        failure: OSError | None = None
        for found in self.fetcher.resolve(address):
            try:
                plain = self.fetcher.connect((found, connection.port), self.fetcher.seconds)
            except OSError as error:
                failure = error
                continue
            with self._lock:
                self._socket = plain
                if self.is_over:
                    _shut(plain)
            if urlsplit(address).scheme == "http":
                return plain
            try:
                return _trust().wrap_socket(plain, server_hostname=connection.host)
            except BaseException:
                plain.close()
                raise
        raise failure or OSError("there is no address to connect to")

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        most, whole = self.fetcher.most_bytes, response.length
        pieces: list[bytes] = []
        size = 0
        while size <= most and (whole or 0) <= most and (piece := response.read(_PIECE)):
            pieces.append(piece)
            size += len(piece)
        if size > most or (whole or 0) > most:
            raise _refusal(self.address, f"has more than {most:,} bytes")
        if whole is not None and size < whole:
            raise _refusal(self.address, f"was cut after {size:,} of {whole:,} bytes")
        return b"".join(pieces)


@frozen
class Fetcher:
    """Fetches within limits.

    Args:
        most_bytes: The most bytes of a file.
        seconds: The longest that it may take in all, in seconds: names, redirects and reading.
        most_redirects: How many redirects are followed.
        resolve: Gives the IP addresses of an address, and raises where one of them may not be asked.
        connect: Connects to one of them; like ``socket.create_connection``.
    """

    most_bytes: int = 25 * 1024 * 1024
    seconds: float = 10.0
    most_redirects: int = 3
    resolve: Callable[[str], list[str]] = public_addresses
    connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection

    def fetch(self, address: str) -> bytes:
        """Return the bytes at an http(s) address. It blocks.

        Raises:
            UsageError: It leads to no public host, cannot be fetched within the limits, or there is nothing.
        """
        try:
            is_http = urlsplit(address).scheme in ("http", "https")
        except (ValueError, AttributeError, TypeError):
            is_http = False
        if not is_http:
            raise UsageError(f"{redacted(str(address))!r} is no http(s) address.", hint=_ITSELF)
        work = _Work(self, address)
        thread = threading.Thread(target=work.run, name="mellea-fetch", daemon=True)
        thread.start()
        thread.join(self.seconds)
        if thread.is_alive():
            work.give_up()
            raise _refusal(address, f"takes longer than {self.seconds:g} seconds")
        if isinstance(work.error, MelleaError):
            raise work.error
        if work.error is not None:
            without = ", and the proxy of the environment is not asked" if proxy_for(address) else ""
            why = str(work.error).rstrip(".") or type(work.error).__name__
            raise _refusal(address, f"cannot be fetched: {why}{without}") from work.error
        return work.data


def _refusal(address: str, what: str) -> UsageError:
    return UsageError(f"{redacted(address)!r} {what}.", hint=_ITSELF)


def _shut(connection: socket.socket | None) -> None:
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


_kept: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


def fetch(address: str) -> bytes:
    """Return the bytes at an http(s) address. What was fetched lately is not fetched again. It blocks.

    Raises:
        UsageError: It leads to no public host, cannot be fetched within the limits, or there is nothing.
    """
    with _lock:
        if address in _kept:
            _kept.move_to_end(address)
            return _kept[address]
    data = Fetcher().fetch(address)
    with _lock:
        _kept[address] = data
        while sum(map(len, _kept.values())) > _KEPT_BYTES:
            _kept.popitem(last=False)
    return data
