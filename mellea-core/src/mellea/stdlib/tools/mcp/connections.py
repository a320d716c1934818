"""Where MCP servers are, as plain mappings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from mellea.core.errors import UsageError

__all__ = ["check_connection", "http_connection", "sse_connection", "stdio_connection", "title_of"]

_PLACES = {"stdio": "command", "streamable_http": "url", "sse": "url"}
"""What says where a server is, by the transport."""

_PROGRAM = re.compile(r"(?!-)[\w@./\\:-]{1,200}")


def stdio_connection(
    command: str,
    *,
    args: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300.0,
    connect_timeout: float = 30.0,
) -> dict[str, Any]:
    """Return where a server is that is a program of this machine.

    Args:
        command: The program. It is started at the first call, in a process group of its own.
        args: Its arguments.
        env: Environment variables, beside ``HOME``, ``LOGNAME``, ``PATH``, ``SHELL``, ``TERM`` and ``USER``;
            nothing else is inherited.
        timeout: The longest that a call may take, in seconds.
        connect_timeout: The longest that its start may take, in seconds.
    """
    given: dict[str, Any] = {} if connect_timeout == 30.0 else {"connect_timeout": connect_timeout}
    if args is not None:
        given["args"] = list(args)
    if env is not None:
        given["env"] = dict(env)
    return {"transport": "stdio", "command": command, **given, "read_timeout": timeout}


def http_connection(
    url: str,
    *,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    connect_timeout: float = 30.0,
    read_timeout: float = 300.0,
) -> dict[str, Any]:
    """Return where a server is that speaks streamable HTTP.

    Args:
        url: Its address.
        api_key: A key, sent as a bearer token.
        headers: More headers of every request; they win over the key's.
        connect_timeout: The longest that connecting may take, in seconds.
        read_timeout: The longest that a call may take, in seconds.
    """
    key = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    return {
        "transport": "streamable_http",
        "url": url,
        "headers": {**key, **(headers or {})},
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
    }


def sse_connection(url: str, **settings: Any) -> dict[str, Any]:
    """Return where a server is that speaks the older protocol of server-sent events.

    Args:
        url: Its address.
        settings: As for ``http_connection``.
    """
    return {**http_connection(url, **settings), "transport": "sse"}


def check_connection(connection: Mapping[str, Any]) -> None:
    """Refuse what says of no server where it is.

    Raises:
        UsageError: The transport is unknown, there is no command or address, or a time-out is none.
    """
    transport = connection.get("transport")
    if transport not in _PLACES:
        raise UsageError(
            f"{transport!r} is no transport of MCP.",
            hint=f"Use one of {', '.join(_PLACES)}; nothing was sent.",
        )
    place = connection.get(_PLACES[transport])
    if not isinstance(place, str) or not place:
        raise UsageError(
            f"A connection by {transport} has the {_PLACES[transport]} {place!r}.", hint="Give one."
        )
    for name in ("connect_timeout", "read_timeout"):
        seconds = connection.get(name, 1)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise UsageError(f"A connection's {name} is {seconds!r}.", hint="Give it in seconds, above 0.")


def title_of(connection: Mapping[str, Any]) -> str:
    """Return what a server is called in messages: its host, or the program that its command runs."""
    if "url" in connection:
        return urlsplit(connection["url"]).hostname or "http"
    words = (word for word in connection.get("args", ()) if _PROGRAM.fullmatch(word))
    return PurePath(next(words, connection["command"])).name
