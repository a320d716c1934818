"""The OpenAI backend, judged by the kit: on its protocol, and on llama-server with a real model."""

from collections.abc import Mapping
from typing import Any

import pytest

from mellea.testing.conformance import BackendConformance, ChatCompletionsProvider
from tests.servers.llama import LlamaServer


class Provider(ChatCompletionsProvider):
    @property
    def arguments(self) -> Mapping[str, Any]:
        return {**super().arguments, "native_tools": True}


class TestOpenAI(BackendConformance):
    name = "openai"
    provider_type = Provider

    @pytest.fixture
    def arguments(self, llama_server: LlamaServer) -> Mapping[str, Any]:
        return {"model_id": llama_server.model_id, "base_url": llama_server.base_url, "api_key": "none"}
