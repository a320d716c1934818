"""The options of a request: their types, their defaults, and what they are to the runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.servers.ollama.errors import RejectedError

__all__ = ["checked_options", "sampling", "token_limit"]

_WHOLE = (
    *("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep"),
    *("seed", "num_predict", "top_k", "repeat_last_n"),
)
_REAL = (
    *("temperature", "top_p", "min_p", "typical_p"),
    *("repeat_penalty", "presence_penalty", "frequency_penalty"),
)
_KINDS = {
    **dict.fromkeys(_WHOLE, "integer"),
    **dict.fromkeys(_REAL, "float32"),
    "use_mmap": "boolean",
    "stop": "array",
}
_TAKEN = {"integer": (int, float), "float32": (int, float), "boolean": (bool,), "array": (list,)}
_OF_THE_RUNNER = (*_REAL, "seed", "top_k", "repeat_last_n", "stop")
_DEFAULTS = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.0, "repeat_penalty": 1.0}
"""Ollama's own, where they differ from the runner's."""
_STOPS = ["<|im_start|>", "<|im_end|>"]
"""What the models' templates set."""


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that Ollama knows; the others are dropped in silence.

    Raises:
        RejectedError: One has the wrong type.
    """
    known = {name: value for name, value in options.items() if name in _KINDS and value is not None}
    for name, value in known.items():
        kind = _KINDS[name]
        if not isinstance(value, _TAKEN[kind]) or (isinstance(value, bool) and kind != "boolean"):
            raise RejectedError(500, f'option "{name}" must be of type {kind}')
    return known


def sampling(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the runner is to draw."""
    return {
        "stop": _STOPS,
        **_DEFAULTS,
        **{name: options[name] for name in _OF_THE_RUNNER if name in options},
    }


def token_limit(options: Mapping[str, Any], *, window: int, room: int | None) -> int:
    """Return how many tokens may be generated.

    Args:
        options: Of the request. No limit, and any below one, is without end.
        window: Ten times this is the most.
        room: What the prompt leaves of the window; None if the beginning may be dropped to go on.
    """
    asked = int(options.get("num_predict", -1))
    limit = min(asked, 10 * window) if asked > 0 else 10 * window
    return limit if room is None else min(limit, room)
