"""What ``/api/embed`` answers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.ollama.answers import Answers
from tests.servers.ollama.errors import RejectedError
from tests.servers.ollama.models import window_of
from tests.servers.ollama.options import checked_options
from tests.servers.ollama.requests import model_name
from tests.servers.ollama.runner import Runner
from tests.servers.ollama.sending import Part

__all__ = ["embedded"]

_AT_ONCE = 256
"""Tokens that the runner embeds in one go; the mean of its goes stands for a longer text."""


async def embedded(answers: Answers, body: Mapping[str, Any]) -> Part:
    """Return the embeddings of a request's texts, of length one.

    Raises:
        RejectedError: The model is not there or does not embed, or a text is too long, or empty.
    """
    name, started = model_name(body), time.perf_counter_ns()
    capabilities = answers.server.capabilities_of(name)
    if capabilities is None:
        raise RejectedError(404, f'model "{name}" not found, try pulling it first')
    given = body.get("input")
    texts = [given] if isinstance(given, str) else list(given or ())
    if not texts:
        return {"model": name, "embeddings": []}
    if "embedding" not in capabilities:
        raise RejectedError(501, "This server does not support embeddings. Start it with `--embeddings`")
    options = checked_options(body.get("options") or {})
    window = window_of(name, options)
    answers.load(name, window)
    tokens = [_cut(await answers.runner.tokens(text), window, body.get("truncate")) for text in texts]
    vectors = [
        _shortened(await _vector(answers.runner, one), int(body.get("dimensions") or 0)) for one in tokens
    ]
    spent = {"total_duration": time.perf_counter_ns() - started, "load_duration": 1}
    return {"model": name, "embeddings": vectors, **spent, "prompt_eval_count": sum(map(len, tokens))}


def _cut(tokens: list[int], window: int, truncate: bool | None) -> list[int]:
    if not tokens:
        raise RejectedError(400, "input exceeds maximum context length and cannot be truncated further")
    if len(tokens) < window:
        return tokens
    if truncate is False:
        raise RejectedError(400, "the input length exceeds the context length")
    return tokens[: window // 2 - 2]


async def _vector(runner: Runner, tokens: Sequence[int]) -> list[float]:
    chunks = [tokens[start : start + _AT_ONCE] for start in range(0, len(tokens), _AT_ONCE)]
    vectors = [await runner.embedding(chunk) for chunk in chunks]
    return [sum(values) / len(values) for values in zip(*vectors, strict=True)]


def _shortened(vector: Sequence[float], dimensions: int) -> list[float]:
    kept = vector[:dimensions] if dimensions else vector
    length = math.hypot(*kept) or 1.0
    return [value / length for value in kept]
