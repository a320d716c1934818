"""What can go wrong with a request, as a test orders it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

__all__ = ["BUSY", "Fault", "runner_dies", "server_ends"]


@frozen
class Fault:
    """What goes wrong with one request.

    Args:
        kind: ``status``: an HTTP status before anything is generated. ``error``: an error line, or a status
            if it would be the first line. ``cut``: the connection is reset. ``close``: it is closed before
            the last chunk. ``end``: the answer ends without its last line. ``malformed``: a line that is no
            JSON. ``stall``: nothing more comes. ``load``: the model is loaded and nothing generated.
        after: Lines that are sent properly before.
        status: Status of ``status``.
        message: Error text of ``status`` and ``error``.
        headers: Headers of ``status``.
        path: The endpoint; by default any that generates.
    """

    kind: Literal["status", "error", "cut", "close", "end", "malformed", "stall", "load"]
    after: int = 0
    status: int = 500
    message: str = "scripted fault"
    headers: Mapping[str, str] = {}
    path: str | None = None


BUSY = Fault(
    "status", status=503, message="server busy, please try again.  maximum pending requests exceeded"
)
"""More requests wait than the server lets wait. It does not say for how long."""


def runner_dies(*, after: int = 0) -> Fault:
    """Return the death of the process that generates, before or in the middle of the stream."""
    return Fault("error", after, message="an error was encountered while running the model: unexpected EOF")


def server_ends(*, after: int = 0) -> Fault:
    """Return the end of the server itself, which closes its connections."""
    return Fault("close", after)
