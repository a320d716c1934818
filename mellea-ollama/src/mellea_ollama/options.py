"""The options of an Ollama server under their own names, and the common ones among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mellea.core.logprobs import logprob_options
from mellea.core.options import ModelOption, OptionTable

__all__ = ["TABLE", "TOP_LEVEL"]

TOP_LEVEL = frozenset({"think", "keep_alive", "format", "truncate", "shift", "logprobs", "top_logprobs"})
"""Options that stand beside ``options`` in a request."""


def _stop(value: str | Sequence[str]) -> Mapping[str, Any]:
    return {"stop": [value] if isinstance(value, str) else list(value)}


TABLE = OptionTable(
    names={
        ModelOption.MAX_NEW_TOKENS: "num_predict",
        ModelOption.TEMPERATURE: "temperature",
        ModelOption.SEED: "seed",
        ModelOption.STOP_SEQUENCES: _stop,
        ModelOption.CONTEXT_WINDOW: "num_ctx",
        ModelOption.THINKING: "think",
        ModelOption.LOGPROBS: logprob_options,
    },
    spellings={
        "num_predict": ModelOption.MAX_NEW_TOKENS,
        "max_tokens": ModelOption.MAX_NEW_TOKENS,
        "max_completion_tokens": ModelOption.MAX_NEW_TOKENS,
        "max_new_tokens": ModelOption.MAX_NEW_TOKENS,
        "seed": ModelOption.SEED,
        "stop": ModelOption.STOP_SEQUENCES,
        "num_ctx": ModelOption.CONTEXT_WINDOW,
        "think": ModelOption.THINKING,
        "logprobs": ModelOption.LOGPROBS,
        "system": ModelOption.SYSTEM_PROMPT,
        "stream": ModelOption.STREAM,
        "tools": ModelOption.TOOLS,
    },
    native=TOP_LEVEL
    | {
        "draft_num_predict",
        "f16_kv",
        "frequency_penalty",
        "logits_all",
        "low_vram",
        "main_gpu",
        "min_p",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "num_batch",
        "num_gpu",
        "num_gqa",
        "num_keep",
        "num_thread",
        "numa",
        "penalize_newline",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "rope_frequency_base",
        "rope_frequency_scale",
        "tfs_z",
        "top_k",
        "top_p",
        "typical_p",
        "use_mlock",
        "use_mmap",
        "vocab_only",
    },
)
