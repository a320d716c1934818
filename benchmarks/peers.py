"""Local engines beside each other, each as it comes, on one small model: the plugin for llama.cpp, and hf.

llama.cpp runs the weights as they are in the file (4 bits), hf in float32.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Plan, ainterleaved
from benchmarks.table import Row
from mellea.core import Backend, CompletionRequest
from mellea_hf import LocalHFBackend

__all__ = ["PROMPTS", "llama", "rows", "speed"]

_SOURCE = Path(__file__).parents[1] / "docs" / "examples" / "plugins" / "mellea-llamacpp" / "src"
PROMPTS = [
    f"Tell me about the {subject} of the sea:"
    for subject in ("ships", "birds", "fish", "salt", "waves", "storms", "light", "depth")
]
"""What is to be continued."""


def rows(plan: Plan) -> Iterator[Row]:
    """Measure it."""
    with llama() as theirs, LocalHFBackend(cache_bytes=0) as hf:
        yield from asyncio.run(_measured(plan, theirs, hf))


def llama() -> Any:
    """Return the backend of the plugin for llama.cpp."""
    if str(_SOURCE) not in sys.path:  # it is published by somebody else, and not installed here
        sys.path.append(str(_SOURCE))
    from mellea_llamacpp.backend import LlamaCppBackend

    return LlamaCppBackend(slots=8, window=512, cache_bytes=0)


def speed(backend: Backend, tokens: int, answers: int) -> Callable[[], Awaitable[float]]:
    """Return a side that writes answers of so many tokens at once, and gives the tokens of a second."""
    limits = (
        {"max_new_tokens": tokens, "min_new_tokens": tokens}
        if isinstance(backend, LocalHFBackend)
        else {"max_tokens": tokens, "ignore_eos": True, "cache_prompt": False}
    )
    options: Mapping[str, Any] = {"temperature": 0, **limits}

    async def side() -> float:
        start = time.perf_counter()
        asked = [CompletionRequest("m", (prompt,), options) for prompt in PROMPTS[:answers]]
        await asyncio.gather(*map(backend.complete, asked))
        return answers * tokens / (time.perf_counter() - start)

    return side


async def _measured(plan: Plan, llama: Backend, hf: Backend) -> list[Row]:
    tokens = 16 if plan.quick else 64
    found = []
    for answers, name in ((1, "one answer"), (8, "eight answers at once")):
        sides = speed(llama, tokens, answers), speed(hf, tokens, answers)
        ours, theirs = await ainterleaved(plan.rounds(6), *sides)
        found.append(Row(f"{name}, by the plugin for llama.cpp, against hf", ours, theirs, "tokens/s"))
    return found
