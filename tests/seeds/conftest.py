"""The real parts, at the addresses where the page's programs look for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.llama import LlamaServer
from tests.servers.ollama import OllamaServer

INSTALLED = ("granite4.1:3b", "granite3.2:8b", "my-model:latest", "llama2:latest")
"""What the page's programs ask Ollama for: the default, one by its hub name, and two by their own."""


@pytest.fixture
def real_parts(
    llama_server: LlamaServer, ollama_server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OllamaServer]:
    """Point every backend to its server by the variables that users have, and install the models."""
    for name in [name for name in os.environ if name.startswith("MELLEA_") and name != "MELLEA_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.base_url)
    monkeypatch.setenv("OPENAI_BASE_URL", llama_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    ollama_server.reset()
    ollama_server.models.update(dict.fromkeys(INSTALLED, ("completion",)))
    # The page asks once without a limit, and the small model may then fill its window.
    ollama_server.parameters["num_predict"] = 200
    yield ollama_server
    ollama_server.reset()
