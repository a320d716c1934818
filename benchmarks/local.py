"""What streaming on the embedded model costs, in tokens per second against a bare ``generate``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.measure import Plan, interleaved
from benchmarks.table import Row
from mellea import ModelOption, start_session

__all__ = ["rows"]

_PROMPT = "Write a long story about a lighthouse keeper and the sea."
_TOKENS = 24


def rows(plan: Plan) -> Iterator[Row]:
    """Measure it, on the engine's thread alone: a second one would halve the speed of both."""
    from mellea_hf import LocalHFBackend
    from mellea_hf._engine import engine
    from mellea_hf.weights import DEFAULT_MODEL_ID, load

    tokenizer, model, device = parts = engine.submit(lambda: load(DEFAULT_MODEL_ID)).result()

    def encoded() -> Any:
        chat = [{"role": "user", "content": _PROMPT}]
        return tokenizer.apply_chat_template(
            chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(device)

    inputs = engine.submit(encoded).result()

    def generate() -> float:
        start = time.perf_counter()
        output = model.generate(**inputs, max_new_tokens=_TOKENS, do_sample=False)
        return (output.shape[1] - inputs["input_ids"].shape[1]) / (time.perf_counter() - start)

    with LocalHFBackend(custom_config=parts) as backend, start_session(backend) as session:

        def stream() -> float:
            start = time.perf_counter()
            thunk = session.stream_chat(
                _PROMPT, model_options={ModelOption.MAX_NEW_TOKENS: _TOKENS, ModelOption.TEMPERATURE: 0}
            )
            for _ in thunk:
                pass
            usage = thunk.generation.usage
            return (usage.completion_tokens if usage else 0) / (time.perf_counter() - start)

        ours, bare = interleaved(plan.rounds(6), stream, lambda: engine.submit(generate).result())
    yield Row("streaming on the embedded model", ours, bare, "tokens/s", bound=0.97, at_least=True)
