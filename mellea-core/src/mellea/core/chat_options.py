"""Options of chat completions: what the common ones are called, and what else servers are known to take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mellea.core.logprobs import logprob_options
from mellea.core.options import ModelOption, OptionTable

__all__ = ["CHAT_OPTIONS", "chat_option_table"]

_PROTOCOL = """
    audio extra_body extra_headers extra_query frequency_penalty function_call functions logit_bias logprobs
    max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction
    presence_penalty prompt_cache_key prompt_cache_retention reasoning reasoning_effort response_format
    safety_identifier seed service_tier stop store stream stream_options temperature timeout tool_choice tools
    top_logprobs top_p user verbosity web_search_options best_of echo suffix
"""
_SERVERS = """
    add_generation_prompt allowed_token_ids bad_words bos_token cache_prompt cache_salt chat_template
    chat_template_kwargs continue_final_message dry_allowed_length dry_base dry_multiplier dry_penalty_last_n
    dry_sequence_breakers dynatemp_exponent dynatemp_range enable_thinking ebnf eta_cutoff epsilon_cutoff
    grammar guided_choice guided_decoding_backend guided_grammar guided_json guided_regex id_slot ignore_eos
    include_reasoning include_stop_str_in_output json_schema keep_alive length_penalty logits_processors lora
    min_keep min_new_tokens min_p min_tokens mirostat mirostat_eta mirostat_tau n_keep n_predict n_probs
    no_repeat_ngram_size no_stop_trim num_beams options penalty_alpha post_sampling_probs priority
    prompt_logprobs provider reasoning_budget reasoning_format regex repeat_last_n repeat_penalty
    repetition_penalty return_tokens_as_token_ids route safe_prompt samplers skip_special_tokens
    spaces_between_special_tokens stop_regex stop_token_ids structural_tag structured_outputs t_max_predict_ms
    tfs thinking thinking_forced_open timings_per_token top_a top_k top_n_sigma transforms
    truncate_prompt_tokens typ_p typical typical_p use_beam_search vllm_xargs xtc_probability xtc_threshold
"""
CHAT_OPTIONS = frozenset(f"{_PROTOCOL} {_SERVERS}".split())
"""Those of the protocol itself, and those of llama.cpp's server, vLLM, SGLang and OpenRouter."""


def chat_option_table(*, is_openai: bool = False, reasons_by_effort: bool = False) -> OptionTable:
    """Return the option table of the servers that speak the protocol, or of OpenAI's own endpoint.

    They differ in two names: the servers want ``max_tokens`` and switch reasoning on and off in the chat
    template; OpenAI wants ``max_completion_tokens`` and reasons by effort.

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
