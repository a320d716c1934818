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
    "IBM_GRANITE_3_3_VISION_2B",
    "IBM_GRANITE_4_1_3B",
    "IBM_GRANITE_4_1_8B",
    "IBM_GRANITE_4_1_30B",
    "IBM_GRANITE_4_2_3B",
    "IBM_GRANITE_4_2_8B",
    "IBM_GRANITE_4_2_30B",
    "IBM_GRANITE_4_HYBRID_1B",
    "IBM_GRANITE_4_HYBRID_MICRO",
    "IBM_GRANITE_4_HYBRID_SMALL",
    "IBM_GRANITE_4_HYBRID_TINY",
    "IBM_GRANITE_4_MICRO_3B",
    "IBM_GRANITE_4_TINY_PREVIEW_7B",
    "IBM_GRANITE_4_TINY_PREVIEW_BASE_7B",
    "IBM_GRANITE_GUARDIAN_3_0_2B",
    "IBM_GRANITE_GUARDIAN_4_1_8B",
    "IBM_GRANITE_SWITCH_4_1_3B_PREVIEW",
    "IBM_GRANITE_SWITCH_4_1_8B_PREVIEW",
    "IBM_GRANITE_SWITCH_4_1_30B_PREVIEW",
    "IBM_GRANITE_VISION_4_1_4B",
    "META_LLAMA_3_2_1B",
    "META_LLAMA_3_2_3B",
    "META_LLAMA_3_3_70B",
    "META_LLAMA_4_MAVERICK_17B_128E_INSTRUCT",
    "META_LLAMA_4_SCOUT_17B_16E_INSTRUCT",
    "META_LLAMA_GUARD3_1B",
    "MISTRALAI_DEVSTRAL_2_123B",
    "MISTRALAI_MISTRAL_0_3_7B",
    "MISTRALAI_MISTRAL_LARGE_123B",
    "MISTRALAI_MISTRAL_SMALL_24B",
    "MS_PHI_4_14B",
    "MS_PHI_4_MINI_REASONING_4B",
    "NVIDIA_LLAMA_3_1_NEMOTRON_70B",
    "NVIDIA_LLAMA_3_1_NEMOTRON_NANO_8B",
    "NVIDIA_LLAMA_3_1_NEMOTRON_ULTRA_253B",
    "NVIDIA_LLAMA_3_3_NEMOTRON_SUPER_49B",
    "NVIDIA_NEMOTRON_3_NANO_4B",
    "NVIDIA_NEMOTRON_3_NANO_30B_A3B",
    "NVIDIA_NEMOTRON_3_NANO_OMNI_30B_A3B",
    "NVIDIA_NEMOTRON_3_SUPER_120B_A12B",
    "NVIDIA_NEMOTRON_3_ULTRA_550B_A55B",
    "NVIDIA_NEMOTRON_MINI_4B",
    "NVIDIA_NEMOTRON_NANO_9B_V2",
    "NVIDIA_NEMOTRON_NANO_12B_V2",
    "OPENAI_GPT_5_1",
    "OPENAI_GPT_OSS_20B",
    "OPENAI_GPT_OSS_120B",
    "QWEN3_0_6B",
    "QWEN3_1_7B",
    "QWEN3_8B",
    "QWEN3_14B",
    "HF_SMOLLM3_3B_no_ollama",
    "IBM_GRANITE_4_HYBRID_350m",
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

IBM_GRANITE_4_HYBRID_1B = ModelIdentifier(
    "ibm-granite/granite-4.0-h-1b", "granite4:1b-h", context_length=131072
)
IBM_GRANITE_4_HYBRID_350m = ModelIdentifier(
    "ibm-granite/granite-4.0-h-350m", "granite4:350m-h", context_length=32768
)
IBM_GRANITE_4_1_30B = ModelIdentifier("ibm-granite/granite-4.1-30b", "granite4.1:30b", context_length=131072)
IBM_GRANITE_4_2_3B = ModelIdentifier("ibm-granite/granite-4.2-3b", "granite4.2:3b", context_length=131072)
IBM_GRANITE_4_2_8B = ModelIdentifier("ibm-granite/granite-4.2-8b", "granite4.2:8b", context_length=131072)
IBM_GRANITE_4_2_30B = ModelIdentifier("ibm-granite/granite-4.2-30b", "granite4.2:30b", context_length=131072)
IBM_GRANITE_GUARDIAN_4_1_8B = ModelIdentifier("ibm-granite/granite-guardian-4.1-8b", context_length=131072)
IBM_GRANITE_GUARDIAN_3_0_2B = ModelIdentifier(
    "ibm-granite/granite-guardian-3.0-2b", "granite3-guardian:2b", context_length=4096
)
IBM_GRANITE_3_3_VISION_2B = ModelIdentifier(
    "ibm-granite/granite-vision-3.3-2b", "ibm/granite3.3-vision:2b", context_length=131072
)
IBM_GRANITE_VISION_4_1_4B = ModelIdentifier(
    "ibm-granite/granite-vision-4.1-4b",
    "hf.co/ibm-granite/granite-vision-4.1-4b-GGUF:Q4_K_M",
    context_length=131072,
)
IBM_GRANITE_4_TINY_PREVIEW_7B = ModelIdentifier("ibm-granite/granite-4.0-tiny-preview", context_length=131072)
IBM_GRANITE_4_TINY_PREVIEW_BASE_7B = ModelIdentifier(
    "ibm-granite/granite-4.0-tiny-base-preview", context_length=131072
)
IBM_GRANITE_SWITCH_4_1_3B_PREVIEW = ModelIdentifier(
    "ibm-granite/granite-switch-4.1-3b-preview", context_length=131072
)
IBM_GRANITE_SWITCH_4_1_8B_PREVIEW = ModelIdentifier(
    "ibm-granite/granite-switch-4.1-8b-preview", context_length=131072
)
IBM_GRANITE_SWITCH_4_1_30B_PREVIEW = ModelIdentifier(
    "ibm-granite/granite-switch-4.1-30b-preview", context_length=131072
)
META_LLAMA_4_SCOUT_17B_16E_INSTRUCT = ModelIdentifier(
    "unsloth/Llama-4-Scout-17B-16E-Instruct", "llama4:scout", context_length=10485760
)
META_LLAMA_4_MAVERICK_17B_128E_INSTRUCT = ModelIdentifier(
    "unsloth/Llama-4-Maverick-17B-128E-Instruct", "llama4:maverick", context_length=1048576
)
META_LLAMA_GUARD3_1B = ModelIdentifier(
    "meta-llama/Llama-Guard-3-1B", "llama-guard3:1b", context_length=131072
)
MISTRALAI_MISTRAL_SMALL_24B = ModelIdentifier(
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503", "mistral-small:latest", context_length=131072
)
MISTRALAI_MISTRAL_LARGE_123B = ModelIdentifier(
    "mistralai/Mistral-Large-Instruct-2411", "mistral-large:latest", context_length=131072
)
QWEN3_0_6B = ModelIdentifier("Qwen/Qwen3-0.6B", "qwen3:0.6b", context_length=32768)
QWEN3_1_7B = ModelIdentifier("Qwen/Qwen3-1.7B", "qwen3:1.7b", context_length=32768)
MS_PHI_4_MINI_REASONING_4B = ModelIdentifier(
    "microsoft/Phi-4-mini-flash-reasoning", "phi4-mini-reasoning:3.8b", context_length=131072
)
NVIDIA_NEMOTRON_3_NANO_4B = ModelIdentifier(
    "nvidia/NVIDIA-Nemotron-3-Nano-4B-BF16", "nemotron-3-nano:4b", context_length=262144
)
NVIDIA_NEMOTRON_3_NANO_30B_A3B = ModelIdentifier(
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "nemotron-3-nano:30b",
    openai_name="nvidia/nemotron-3-nano-30b-a3b",
    context_length=262144,
)
NVIDIA_NEMOTRON_3_SUPER_120B_A12B = ModelIdentifier(
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",
    "nemotron-3-super:120b",
    openai_name="nvidia/nemotron-3-super-120b-a12b",
    context_length=262144,
)
NVIDIA_NEMOTRON_3_ULTRA_550B_A55B = ModelIdentifier(
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16",
    "nemotron-3-ultra:cloud",
    openai_name="nvidia/nemotron-3-ultra-550b-a55b",
    context_length=262144,
)
NVIDIA_NEMOTRON_3_NANO_OMNI_30B_A3B = ModelIdentifier(
    "nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16",
    "nemotron3:33b",
    openai_name="nvidia/nemotron-3-nano-omni-30b-a3b-reasoning",
    context_length=131072,
)
NVIDIA_NEMOTRON_NANO_9B_V2 = ModelIdentifier(
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2",
    openai_name="nvidia/nvidia-nemotron-nano-9b-v2",
    context_length=131072,
)
NVIDIA_NEMOTRON_NANO_12B_V2 = ModelIdentifier("nvidia/NVIDIA-Nemotron-Nano-12B-v2", context_length=131072)
NVIDIA_NEMOTRON_MINI_4B = ModelIdentifier(
    "nvidia/Nemotron-Mini-4B-Instruct",
    "nemotron-mini:4b",
    openai_name="nvidia/nemotron-mini-4b-instruct",
    context_length=4096,
)
NVIDIA_LLAMA_3_1_NEMOTRON_NANO_8B = ModelIdentifier(
    "nvidia/Llama-3.1-Nemotron-Nano-8B-v1",
    openai_name="nvidia/llama-3.1-nemotron-nano-8b-v1",
    context_length=131072,
)
NVIDIA_LLAMA_3_1_NEMOTRON_ULTRA_253B = ModelIdentifier(
    "nvidia/Llama-3_1-Nemotron-Ultra-253B-v1",
    openai_name="nvidia/llama-3.1-nemotron-ultra-253b-v1",
    context_length=131072,
)
NVIDIA_LLAMA_3_1_NEMOTRON_70B = ModelIdentifier(
    "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF",
    "nemotron:70b",
    openai_name="nvidia/llama-3.1-nemotron-70b-instruct",
    context_length=131072,
)
NVIDIA_LLAMA_3_3_NEMOTRON_SUPER_49B = ModelIdentifier(
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1",
    openai_name="nvidia/llama-3.3-nemotron-super-49b-v1",
    context_length=131072,
)
MISTRALAI_DEVSTRAL_2_123B = ModelIdentifier(
    bedrock_name="mistral.devstral-2-123b",
    bedrock_litellm_name="bedrock/converse/mistral.devstral-2-123b",
)
HF_SMOLLM3_3B_no_ollama = ModelIdentifier("HuggingFaceTB/SmolLM3-3B", context_length=65536)


@functools.cache
def _by_name() -> dict[str, ModelIdentifier]:
    known: dict[str, ModelIdentifier] = {}
    for model in [one for one in globals().values() if isinstance(one, ModelIdentifier)]:
        for name in model.names():
            known.setdefault(name, model)
    return known


def find_model(name: str) -> ModelIdentifier | None:
    """Return the model that some provider knows by this name, or None if it is in no catalogue of ours."""
    return _by_name().get(name)
