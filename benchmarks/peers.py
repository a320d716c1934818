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

__all__ = ["rows"]

_SOURCE = Path(__file__).parents[1] / "docs" / "examples" / "plugins" / "mellea-llamacpp" / "src"
_PROMPTS = [
    f"Tell me about the {subject} of the sea:"
    for subject in ("ships", "birds", "fish", "salt", "waves", "storms", "light", "depth")
]


def rows(plan: Plan) -> Iterator[Row]:
    """Measure it."""
    sys.path.append(str(_SOURCE))  # it is published by somebody else, and not installed here
    from mellea_llamacpp.backend import LlamaCppBackend

    with LlamaCppBackend(slots=8, window=512, cache_bytes=0) as llama, LocalHFBackend(cache_bytes=0) as hf:
        yield from asyncio.run(_measured(plan, llama, hf))


async def _measured(plan: Plan, llama: Backend, hf: Backend) -> list[Row]:
    tokens = 16 if plan.quick else 64
    greedy = {"temperature": 0, "ignore_eos": True, "cache_prompt": False, "max_tokens": tokens}
    exact = {"temperature": 0, "max_new_tokens": tokens, "min_new_tokens": tokens}

    def side(backend: Backend, options: Mapping[str, Any], answers: int) -> Callable[[], Awaitable[float]]:
        async def one() -> float:
            start = time.perf_counter()
            asked = [CompletionRequest("m", (prompt,), options) for prompt in _PROMPTS[:answers]]
            await asyncio.gather(*map(backend.complete, asked))
            return answers * tokens / (time.perf_counter() - start)

        return one

    found = []
    for answers, name in ((1, "one answer"), (8, "eight answers at once")):
        sides = side(llama, greedy, answers), side(hf, exact, answers)
        ours, theirs = await ainterleaved(plan.rounds(6), *sides)
        found.append(Row(f"{name}, by the plugin for llama.cpp, against hf", ours, theirs, "tokens/s"))
    return found
