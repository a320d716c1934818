"""Who may ask: the key, and the name under which the server is reached."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from mellea.serve.failures import Failure

__all__ = ["Access", "is_loopback"]

_OPEN = frozenset({"/health", "/ready"})
_LOCAL = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Tell whether a host reaches this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@frozen
class Access:
    """Who may ask.

    Args:
        api_key: What clients have to send as ``Authorization: Bearer KEY``; None lets all in. ``/health`` and
            ``/ready`` need none.
        hosts: The names under which the server may be reached, of the header ``Host``; None for any. A page
            in a browser of this machine cannot reach it under a name of its own then.
    """

    api_key: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = None

    @classmethod
    def on(cls, host: str, api_key: str | None, more_hosts: Iterable[str] = ()) -> Access:
        """Return what is right for a server that listens on a host.

        Args:
            host: Where it listens.
            api_key: The key.
            more_hosts: More names, such as that of a proxy in front.
        """
        named = [name.lower() for name in more_hosts]
        local = frozenset((*_LOCAL, host.strip("[]").lower(), *named)) if is_loopback(host) else None
        return cls(api_key or None, local or (frozenset(named) if named else None))

    def refusal(self, path: str, headers: Mapping[str, str]) -> Failure | None:
        """Return why a request is not let in; None where it is.

        Args:
            path: What is asked for.
            headers: The request's, by their names in small letters.
        """
        if self.hosts is not None and _host_in(headers.get("host", "")) not in self.hosts:
            return Failure(403, "The server is not reached under this name.", "unknown_host")
        if self.api_key is None or path in _OPEN:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.api_key.encode()):
            return None
        why = "The API key is wrong." if given else "There is no API key: send Authorization: Bearer KEY."
        return Failure(401, why, "invalid_api_key")


def _host_in(header: str) -> str:
    """Return the name in a header ``Host``, without its port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if ":" in name else name
