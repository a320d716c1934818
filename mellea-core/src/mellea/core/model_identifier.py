"""Models under the names that providers give them."""

from __future__ import annotations

from typing import Literal

from attrs import asdict, frozen

from mellea.core.errors import UsageError

__all__ = ["ModelIdentifier", "NameKind", "model_name"]

NameKind = Literal[
    "hf_model_name",
    "ollama_name",
    "openai_name",
    "watsonx_name",
    "mlx_name",
    "bedrock_name",
    "bedrock_litellm_name",
]


@frozen(kw_only=False)
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


_TRANSLATED = ("ollama_name", "hf_model_name")
"""Kinds of which every name of a catalogued model is understood; the others may be a server's own names."""


def _catalogued(name: str) -> ModelIdentifier | None:
    from mellea.core.model_catalog import find_model  # noqa: PLC0415  the catalogue is made of this module's values

    return find_model(name)


def model_name(
    model_id: str | ModelIdentifier, kind: NameKind, *, backend: str, fallback: NameKind | None = None
) -> str:
    """Return the provider's name of a model.

    A catalogued model is understood under every name it has: ``ibm-granite/granite-3.2-8b-instruct`` is ``granite3.2:8b``
    for Ollama.

    Args:
        model_id: A name, or an identifier.
        kind: Which name of an identifier.
        backend: The backend that asks, for the error.
        fallback: The name to take when the identifier has none of that kind.

    Raises:
        UsageError: The name is empty or no text, or the identifier has no such name.
    """
    name: object = model_id
    if isinstance(model_id, str) and kind in _TRANSLATED and (known := _catalogued(model_id)) is not None:
        name = getattr(known, kind) or model_id
    if isinstance(model_id, ModelIdentifier):
        name = getattr(model_id, kind) or (fallback and getattr(model_id, fallback))
        if not name:
            raise UsageError(
                f"{model_id} has no {kind}.",
                hint=f"Pass the name that backend {backend!r} knows as text.",
                backend=backend,
            )
    if not isinstance(name, str):
        raise UsageError(
            f"A model id is text or a ModelIdentifier, not {type(name).__name__}.", backend=backend
        )
    if not name.strip():
        raise UsageError(
            "The model id is empty.",
            hint=f"Pass model_id=... with a model of backend {backend!r}.",
            backend=backend,
        )
    return name
