"""Options of chat completions that servers and providers are known to take, beside the common ones."""

from __future__ import annotations

__all__ = ["CHAT_OPTIONS"]

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
