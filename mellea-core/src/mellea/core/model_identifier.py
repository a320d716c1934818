"""Models under the names that providers give them."""

from __future__ import annotations

from typing import Literal

from attrs import asdict, define, setters

__all__ = ["ModelIdentifier", "NameKind"]

NameKind = Literal[
    "hf_model_name",
    "ollama_name",
    "openai_name",
    "watsonx_name",
    "mlx_name",
    "bedrock_name",
    "bedrock_litellm_name",
]


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class ModelIdentifier:
    """One model, under each provider's name for it.

    Args:
        hf_model_name: Repository on the Hugging Face hub.
        ollama_name: Name and tag in Ollama's library.
        watsonx_name: Name on watsonx.
        mlx_name: Repository of the MLX conversion.
        openai_name: Name at OpenAI, or at an OpenAI-compatible server.
        bedrock_name: Name on Bedrock.
        bedrock_litellm_name: Name on Bedrock through LiteLLM.
        hf_tokenizer_name: Repository of the tokenizer, when it is another one.
        context_length: Size of the context window, in tokens.
    """

    hf_model_name: str | None = None
    ollama_name: str | None = None
    watsonx_name: str | None = None
    mlx_name: str | None = None
    openai_name: str | None = None
    bedrock_name: str | None = None
    bedrock_litellm_name: str | None = None
    hf_tokenizer_name: str | None = None
    context_length: int | None = None

    def names(self) -> list[str]:
        """Return every name of the model."""
        return [value for key, value in asdict(self).items() if key.endswith("_name") and value]
