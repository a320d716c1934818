"""Vectors from a real model behind each protocol that gives them."""

from __future__ import annotations

from typing import Any

import pytest

from mellea.core import CapabilityError, ContextWindowError, PromptCutWarning
from mellea_litellm import LiteLLMBackend
from mellea_ollama import OllamaModelBackend
from mellea_openai import OpenAIBackend
from tests.servers.ollama import OllamaServer

TEXTS = ["The cat sat on the mat.", "A kitten lay on the rug.", "Interest rates rose by a point."]


def _backend(kind: str, server: OllamaServer, model: str = "smolembed") -> Any:
    if kind == "ollama":
        return OllamaModelBackend(model, base_url=server.base_url)
    address = f"{server.base_url}/v1"
    if kind == "openai":
        return OpenAIBackend(model, base_url=address, api_key="none")
    return LiteLLMBackend(f"openai/{model}", base_url=address, api_key="none", num_retries=0)


@pytest.mark.parametrize("kind", ["ollama", "openai", "litellm"])
async def test_texts_of_similar_meaning_are_close(kind: str, server: OllamaServer) -> None:
    backend = _backend(kind, server)
    found = await backend.embed(TEXTS)
    first, second, third = found.vectors
    assert found.vectors.shape == (3, 576)
    assert first @ second > first @ third
    assert found.usage is not None
    assert found.usage.prompt_tokens > 10
    assert (await backend.embed(TEXTS[:1], dimensions=8)).vectors.shape == (1, 8)
    await backend.aclose()


@pytest.mark.parametrize("kind", ["ollama", "openai", "litellm"])
async def test_what_a_server_refuses_is_an_error_of_ours(kind: str, server: OllamaServer) -> None:
    backend = _backend(kind, server)
    long = ["word " * 9000]
    if kind == "ollama":
        with pytest.raises(ContextWindowError, match="too long for smolembed"):
            await backend.embed(long)
    else:  # the server's other interface cuts it
        with pytest.warns(PromptCutWarning, match="dropped a part"):
            await backend.embed(long)
    await backend.aclose()
    chats = _backend(kind, server, "smollm2")
    with pytest.raises(CapabilityError, match="embeddings"):
        await chats.embed(TEXTS[:1])
    await chats.aclose()
