"""The Ollama backend, judged by the kit: on its protocol, and with real tokens."""

from collections.abc import Mapping
from typing import Any

import pytest

from mellea.testing.conformance import BackendConformance
from tests.ollama.provider import OllamaProvider
from tests.servers.ollama import OllamaServer


class TestOllama(BackendConformance):
    name = "ollama"
    provider_type = OllamaProvider

    @pytest.fixture
    def arguments(self, server: OllamaServer) -> Mapping[str, Any]:
        return {"model_id": "smollm2", "base_url": server.base_url}
