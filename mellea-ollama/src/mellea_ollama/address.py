"""Where the server is and what opens it: its address, however it is written, and the key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import field, frozen

from mellea.core.addresses import check_address, proxy_for, without_user
from mellea.core.errors import UsageError
from mellea.core.redaction import secrets_of_address

__all__ = ["BACKEND", "DEFAULT_HOST", "Access"]

BACKEND = "ollama"
DEFAULT_HOST = "http://127.0.0.1:11434"
_PORT = 11434
_TAIL = re.compile(r"(?:/(?:v1|api))?/*$")
"""What stands behind the address of the server itself in those of its protocols."""


@frozen
class Access:
    """A server, and what is sent to it with every request.

    Args:
        url: Its address, without credentials and without ``/`` at the end.
        headers: Headers of every request, the key among them.
        proxy: The proxy on the way there.
        timeout: The longest wait between two bytes, in seconds; None waits for ever.
        secrets: What must not be shown.
    """

    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)
    timeout: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        base_url: str | None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Access:
        """Return how to reach a server.

        Args:
            base_url: Its address; by default that of ``OLLAMA_HOST``, else the one on this machine. A host
                alone will do, and ``/v1`` or ``/api`` at the end is left out.
            api_key: The key; by default ``OLLAMA_API_KEY``.
            headers: More headers; ``Authorization`` among them counts more than the key.
            timeout: The longest wait between two bytes, in seconds.

        Raises:
            UsageError: It is no address, or a header is none.
        """
        written = base_url if base_url is not None else os.environ.get("OLLAMA_HOST", "").strip()
        url, user = _taken_apart(written or DEFAULT_HOST)
        sent = _checked(headers)
        if not any(name.lower() == "authorization" for name in sent):
            key = api_key or os.environ.get("OLLAMA_API_KEY")
            if key:
                sent["Authorization"] = f"Bearer {key}"
            elif user:
                sent["Authorization"] = user
        secrets = [part for value in sent.values() for part in (value, value.rpartition(" ")[2])]
        secrets += secrets_of_address(written)
        return cls(url, sent, proxy_for(url), timeout, tuple(secrets))


def _checked(headers: Mapping[str, str] | None) -> dict[str, str]:
    sent = dict(headers or {})
    for name, value in sent.items():
        if not isinstance(name, str) or not isinstance(value, str) or re.search(r"[\r\n]", name + value):
            raise UsageError(
                f"The header {name!r} is no line of text.",
                hint='Pass headers={"X-Name": "value"}.',
                backend=BACKEND,
            )
    return sent


def _taken_apart(written: object) -> tuple[str, str | None]:
    """Return an address with scheme and port, and the header for the user that stood in it."""
    address = written.strip() if isinstance(written, str) else ""
    if address and "://" not in address:
        head, slash, path = address.partition("/")
        user, at, place = head.rpartition("@")
        if place.startswith(":") and place.count(":") == 1:
            place = f"127.0.0.1{place}"
        elif place.count(":") > 1 and not place.startswith("["):
            place = f"[{place}]"
        port = "" if ":" in place.rpartition("]")[2] else f":{_PORT}"
        address = f"http://{user}{at}{place}{port}{slash}{path}"
    check_address(address or str(written), backend=BACKEND, example=DEFAULT_HOST)
    bare, header = without_user(address)
    parts = urlsplit(bare)
    return f"{parts.scheme}://{parts.netloc}{_TAIL.sub('', parts.path)}", header
