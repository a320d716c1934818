"""Models that programs name by a constant, with each provider's name for them."""

from __future__ import annotations

import functools

from mellea.core.model_identifier import ModelIdentifier

__all__ = [
    "DEEPSEEK_R1_8B",
    "GOOGLE_GEMMA_3N_E4B",
    "HF_SMOLLM2_2B",
    "HF_SMOLLM2_135M",
    "HF_SMOLLM3_3B",
    "IBM_GRANITE_3_2_8B",
    "IBM_GRANITE_3_3_2B",
    "IBM_GRANITE_3_3_8B",
    "IBM_GRANITE_4_1_3B",
    "IBM_GRANITE_4_1_8B",
    "IBM_GRANITE_4_HYBRID_MICRO",
    "IBM_GRANITE_4_HYBRID_SMALL",
    "IBM_GRANITE_4_HYBRID_TINY",
    "IBM_GRANITE_4_MICRO_3B",
    "META_LLAMA_3_2_1B",
    "META_LLAMA_3_2_3B",
    "META_LLAMA_3_3_70B",
    "MISTRALAI_MISTRAL_0_3_7B",
    "MS_PHI_4_14B",
    "OPENAI_GPT_5_1",
    "OPENAI_GPT_OSS_20B",
    "OPENAI_GPT_OSS_120B",
    "QWEN3_8B",
    "QWEN3_14B",
    "find_model",
]

IBM_GRANITE_4_1_3B = ModelIdentifier("ibm-granite/granite-4.1-3b", "granite4.1:3b", context_length=131072)
IBM_GRANITE_4_1_8B = ModelIdentifier("ibm-granite/granite-4.1-8b", "granite4.1:8b", context_length=131072)
IBM_GRANITE_4_MICRO_3B = ModelIdentifier(
    "ibm-granite/granite-4.0-micro", "granite4:micro", context_length=131072
)
IBM_GRANITE_4_HYBRID_MICRO = ModelIdentifier(
    "ibm-granite/granite-4.0-h-micro", "granite4:micro-h", context_length=131072
)
IBM_GRANITE_4_HYBRID_TINY = ModelIdentifier(
    "ibm-granite/granite-4.0-h-tiny", "granite4:tiny-h", context_length=131072
)
IBM_GRANITE_4_HYBRID_SMALL = ModelIdentifier(
    "ibm-granite/granite-4.0-h-small",
    "granite4:small-h",
    watsonx_name="ibm/granite-4-h-small",
    context_length=131072,
)
IBM_GRANITE_3_3_8B = ModelIdentifier(
    "ibm-granite/granite-3.3-8b-instruct", "granite3.3:8b", context_length=131072
)
IBM_GRANITE_3_3_2B = ModelIdentifier(
    "ibm-granite/granite-3.3-2b-instruct", "granite3.3:2b", context_length=131072
)
IBM_GRANITE_3_2_8B = ModelIdentifier(
    "ibm-granite/granite-3.2-8b-instruct", "granite3.2:8b", context_length=131072
)
META_LLAMA_3_3_70B = ModelIdentifier(
    "meta-llama/Llama-3.3-70B-Instruct", "llama3.3:70b", context_length=131072
)
META_LLAMA_3_2_3B = ModelIdentifier("meta-llama/Llama-3.2-3B-Instruct", "llama3.2:3b", context_length=131072)
META_LLAMA_3_2_1B = ModelIdentifier("meta-llama/Llama-3.2-1B-Instruct", "llama3.2:1b", context_length=131072)
MISTRALAI_MISTRAL_0_3_7B = ModelIdentifier(
    "mistralai/Mistral-7B-Instruct-v0.3", "mistral:7b", context_length=32768
)
QWEN3_8B = ModelIdentifier("Qwen/Qwen3-8B", "qwen3:8b", context_length=40960)
QWEN3_14B = ModelIdentifier("Qwen/Qwen3-14B", "qwen3:14b", context_length=40960)
OPENAI_GPT_OSS_20B = ModelIdentifier(
    "openai/gpt-oss-20b", "gpt-oss:20b", openai_name="gpt-oss-20b", context_length=131072
)
OPENAI_GPT_OSS_120B = ModelIdentifier(
    "openai/gpt-oss-120b", "gpt-oss:120b", openai_name="gpt-oss-120b", context_length=131072
)
OPENAI_GPT_5_1 = ModelIdentifier(openai_name="gpt-5.1", context_length=400000)
GOOGLE_GEMMA_3N_E4B = ModelIdentifier("google/gemma-3n-e4b-it", "gemma3n:e4b", context_length=32768)
MS_PHI_4_14B = ModelIdentifier("microsoft/phi-4", "phi4:14b", context_length=16384)
DEEPSEEK_R1_8B = ModelIdentifier(
    "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "deepseek-r1:8b", context_length=131072
)
HF_SMOLLM2_135M = ModelIdentifier("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2:135m", context_length=8192)
HF_SMOLLM2_2B = ModelIdentifier("HuggingFaceTB/SmolLM2-1.7B-Instruct", "smollm2:1.7b", context_length=8192)
HF_SMOLLM3_3B = ModelIdentifier("HuggingFaceTB/SmolLM3-3B", "alibayram/smollm3:latest", context_length=65536)


@functools.cache
def _by_name() -> dict[str, ModelIdentifier]:
    return {
        name: model
        for model in globals().values()
        if isinstance(model, ModelIdentifier)
        for name in model.names()
    }


def find_model(name: str) -> ModelIdentifier | None:
    """Return the model that some provider knows by this name, or None if it is in no catalogue of ours."""
    return _by_name().get(name)
