"""The provider's names of the common options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mellea.core import ModelOption, OptionTable
from mellea.core.chat_options import CHAT_OPTIONS
from mellea.core.logprobs import logprob_options

__all__ = ["option_table"]


def option_table(*, is_openai: bool, reasons_by_effort: bool = False) -> OptionTable:
    """Return the option table of OpenAI's own endpoint, or of the compatible servers.

    They differ in two names: OpenAI wants ``max_completion_tokens`` and reasons by effort; the others want
    ``max_tokens`` and switch reasoning on and off in the chat template.

    Args:
        is_openai: Whether it is OpenAI's own.
        reasons_by_effort: Whether another server switches reasoning as OpenAI does; Ollama is one.
    """

    def thinking_options(value: Any) -> Mapping[str, Any]:
        if isinstance(value, str):
            return {"reasoning_effort": value}
        if is_openai or reasons_by_effort:
            return {"reasoning_effort": "medium" if value else "none"}
        return {"chat_template_kwargs": {"enable_thinking": bool(value)}}

    return OptionTable(
        names={
            ModelOption.MAX_NEW_TOKENS: "max_completion_tokens" if is_openai else "max_tokens",
            ModelOption.TEMPERATURE: "temperature",
            ModelOption.SEED: "seed",
            ModelOption.STOP_SEQUENCES: "stop",
            ModelOption.THINKING: thinking_options,
            ModelOption.LOGPROBS: logprob_options,
        },
        spellings={
            "max_tokens": ModelOption.MAX_NEW_TOKENS,
            "max_completion_tokens": ModelOption.MAX_NEW_TOKENS,
            "max_new_tokens": ModelOption.MAX_NEW_TOKENS,
            "seed": ModelOption.SEED,
            "stop": ModelOption.STOP_SEQUENCES,
            "stream": ModelOption.STREAM,
            "reasoning_effort": ModelOption.THINKING,
            "logprobs": ModelOption.LOGPROBS,
            "tools": ModelOption.TOOLS,
        },
        native=CHAT_OPTIONS,
    )
