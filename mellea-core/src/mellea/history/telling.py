"""What the payloads of hooks say of a call, by the columns in which it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mellea.core.redaction import secrets_within
from mellea.core.request_key import canonical

__all__ = ["begun_of", "chosen_of", "is_outermost", "seconds_of", "secrets_behind"]

_ASKED = ("content", "description", "declaration", "value", "query", "transformation")
"""The attributes in which components hold what they ask."""


def is_outermost(payload: Any) -> bool:
    """Tell whether a verb is no part of another one, whose call it then belongs to."""
    return bool(payload.action_id == payload.request_id)


def begun_of(payload: Any) -> dict[str, Any]:
    """Return how a call began."""
    strategy = getattr(payload, "strategy", None)
    return {
        "started": payload.timestamp.timestamp(),
        "kind": payload.component_type,
        "asked": _asked(payload.action),
        "strategy": None if strategy is None else repr(strategy),
    }


def chosen_of(result: Any) -> dict[str, Any]:
    """Return what a strategy says of its choice."""
    checked = any(attempt.results for attempt in result.attempts) or not result.success
    met = "met" if result.success else "not met"
    steering = getattr(result, "steering", None)
    return {
        "outcome": met if checked else "answered",
        "why": result.why,
        "chosen": getattr(result, "result_index", None),
        "steering": canonical(dict(steering)) if steering else None,
    }


def seconds_of(payload: Any) -> float:
    """Return how long what ended took."""
    return float(round(payload.latency_ms / 1000, 6))


def _asked(action: object) -> str:
    """Return in words what a call asks."""
    for name in _ASKED:
        held = getattr(action, name, None)
        words = getattr(held, "value", held)
        if isinstance(words, str) and words.strip():
            return words
    return type(action).__name__


def secrets_behind(backend: object) -> tuple[str, ...]:
    """Return the secrets of the environment and of a backend, with those that it stands in front of."""
    within = [secret for each in _all_of(backend) for secret in secrets_within(vars(each))]
    return (*secrets_within(os.environ), *within)


def _all_of(backend: object) -> Iterator[object]:
    yield backend
    for inner in getattr(backend, "inner_backends", ()):
        yield from _all_of(inner)
