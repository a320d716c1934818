"""Addresses of servers: well-formed ones, those of this machine, and the proxy on the way to the others."""

from __future__ import annotations

import ipaddress
import os
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from mellea.core.errors import MelleaError, UsageError
from mellea.core.redaction import redacted

__all__ = [
    "REDIRECTED",
    "check_address",
    "is_public",
    "is_this_machine",
    "mentioning_proxy",
    "proxy_for",
    "public_addresses",
    "refuse_redirect",
    "refuse_redirect_async",
    "without_user",
]

REDIRECTED = "x-redirected-to"
"""The header under which the address of a redirect is kept that is not followed."""
E = TypeVar("E", bound=MelleaError)
_AT_THE_PROXY = frozenset({407, 502, 503, 504})
"""Statuses with which a proxy answers by itself."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses under which some networks reach IPv4 ones."""


def check_address(address: str, *, backend: str, example: str) -> None:
    """Refuse what is no address of an HTTP server.

    Args:
        address: With its scheme.
        backend: Name of the backend, for the error.
        example: A right one.

    Raises:
        UsageError: The scheme is another, or host or port are none.
    """
    try:
        parts = urlsplit(address)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError, TypeError):
        right = False
    if not right:
        raise UsageError(
            f"{redacted(str(address))!r} is no address of a server.",
            hint=f"Pass one like {example}.",
            backend=backend,
        )


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet, and so is every one that it wraps.

    Args:
        address: As text, with or without a zone.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def public_addresses(address: str) -> list[str]:
    """Return the IP addresses of a host that this process is to fetch from.

    It resolves the name, and so may block.

    Args:
        address: What somebody else may have written, such as the address of an image.

    Raises:
        UsageError: One of them is this machine's, or of a network that is not public; or no such host is
            known.
    """
    import socket  # noqa: PLC0415

    try:
        parts = urlsplit(address)
        entries = socket.getaddrinfo(parts.hostname or "", parts.port, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(entry[4][0]) for entry in entries)) if parts.hostname else []
    except (OSError, ValueError, UnicodeError):
        found = []
    if not found or not all(map(is_public, found)):
        where = "leads to no public host" if found else "names no host that is known"
        raise UsageError(
            f"{redacted(address)!r} {where}, and this process would fetch from it; nothing was fetched.",
            hint="Load what is there and pass it, as an ImageBlock for example.",
        )
    return found


def without_user(address: str) -> tuple[str, str | None]:
    """Return an address without the user that it names, and the header that does, or None for no user."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, None
    import base64  # noqa: PLC0415  hardly any address names a user

    said = base64.b64encode(unquote(user).encode()).decode()
    return parts._replace(netloc=host).geturl(), f"Basic {said}"


def is_this_machine(host: str | None) -> bool:
    """Tell whether a host is this machine: 127.0.0.0/8, ``::1``, ``localhost`` or a name that ends in it."""
    name = (host or "").strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return mapped.is_loopback or mapped.is_unspecified


def proxy_for(address: str) -> str | None:
    """Return the proxy of the environment through which requests to an address go; None for none.

    What runs on this machine is never asked through one, whatever ``NO_PROXY`` says.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  it loads with the first backend that asks

    parts = urlsplit(address)
    if not parts.hostname or is_this_machine(parts.hostname):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def mentioning_proxy(error: E, address: str) -> E:
    """Return an error of the way to a server; if a proxy stands on that way, the error names it.

    Args:
        error: No connection, a time-out, or an answer that may be the proxy's own; others stay as they are.
        address: The server's.
    """
    about_the_way = isinstance(error, ConnectionError | TimeoutError) or error.status in _AT_THE_PROXY
    proxy = proxy_for(address) if about_the_way else None
    if proxy is None:
        return error
    variable = _variable_of(proxy)
    error.message = f"{error.message} The way there is the proxy {redacted(proxy)}{variable}."
    error.hint = f"{error.hint or ''} To do without the proxy, name the server in NO_PROXY.".strip()
    error.args = (f"{error.message} {error.hint}",)
    return error


def refuse_redirect(response: Any) -> None:
    """Let no redirect lead a request, with its prompt and its headers, to another host.

    A hook for the responses of an HTTP client: of a redirect to elsewhere it hides the address, so that the
    client does not follow it, and hands the response on as it is.

    Args:
        response: An ``httpx`` response, or one like it.
    """
    target = response.headers.get("location")
    if not target or not 300 <= response.status_code < 400:
        return
    here, there = urlsplit(str(response.url)), urlsplit(urljoin(str(response.url), target))
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        del response.headers["location"]
        response.headers[REDIRECTED] = target


async def refuse_redirect_async(response: Any) -> None:
    """Do what ``refuse_redirect`` does, for an asynchronous client."""
    refuse_redirect(response)


def _variable_of(proxy: str) -> str:
    """Return which variable names a proxy, where one does."""
    bare = proxy.partition("://")[2]
    names = sorted(name for name in os.environ if name.lower().endswith("_proxy"))
    named = [name for name in names if os.environ[name] in (proxy, bare)]
    return f" ({named[0]})" if named else ""
