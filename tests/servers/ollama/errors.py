"""Refusals, in the words of the server or of the runner behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["RejectedError", "by_runner", "too_long"]


class RejectedError(Exception):
    """The request ends with an HTTP status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def by_runner(message: str, kind: str = "invalid_request_error", **numbers: int) -> RejectedError:
    """Return the refusal whose text is the runner's own JSON."""
    error: dict[str, Any] = {"code": 400, "message": message, "type": kind, **numbers}
    return RejectedError(400, json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False))


def too_long(tokens: int, window: int) -> RejectedError:
    """Return the refusal of a prompt that fills the window."""
    return by_runner(
        f"request ({tokens} tokens) exceeds the available context size ({window} tokens), try increasing it",
        kind="exceed_context_size_error",
        n_prompt_tokens=tokens,
        n_ctx=window,
    )
