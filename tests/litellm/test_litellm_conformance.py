"""The LiteLLM backend, judged by the kit: by three routes, and on a real model."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from mellea.testing.conformance import BackendConformance, ChatCompletionsProvider
from tests.ollama.provider import OllamaProvider
from tests.servers.llama import LlamaServer


class Provider(ChatCompletionsProvider):
    @property
    def arguments(self) -> Mapping[str, Any]:
        return {**super().arguments, "model_id": "openai/m"}


class HostedProvider(Provider):
    @property
    def arguments(self) -> Mapping[str, Any]:
        return {**super().arguments, "model_id": "hosted_vllm/m"}


class OllamaChatProvider(OllamaProvider):
    plays = OllamaProvider.plays - {"embeddings", "raw", "thinking", "tools"}

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"model_id": "ollama_chat/m", "base_url": self.url}


class TestLiteLLM(BackendConformance):
    name = "litellm"
    provider_type = Provider

    @pytest.fixture
    def arguments(self, llama_server: LlamaServer) -> Mapping[str, Any]:
        address = {"model_id": "openai/smollm2", "base_url": llama_server.base_url, "api_key": "none"}
        return {**address, "native_tools": False, "keeps_patterns": True}


class TestHosted(BackendConformance):
    name = "litellm"
    label = "litellm, without the SDK"
    levels = frozenset({"contract"})
    provider_type = HostedProvider


class TestOllamaChat(BackendConformance):
    name = "litellm"
    label = "litellm, Ollama's protocol"
    levels = frozenset({"contract"})
    provider_type = OllamaChatProvider
    exceptions: ClassVar = {
        "test_usage_is_the_providers": "LiteLLM takes every end of an answer of Ollama's for a stop",
        "test_audio_is_sent": "Ollama takes no sound",
    }
