"""Session fixtures of the real servers; a conftest says ``from tests.servers.fixtures import *``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.llama import LlamaServer, running_llama_server
from tests.servers.ollama import OllamaServer, running_ollama_server

__all__ = ["llama_server", "ollama_server"]


@pytest.fixture(scope="session")
def llama_server() -> Iterator[LlamaServer]:
    """llama-server with SmolLM2, one for the whole session."""
    with running_llama_server() as server:
        yield server


@pytest.fixture(scope="session")
def ollama_server() -> Iterator[OllamaServer]:
    """The Ollama-protocol server, one for the session; ``reset()`` it before relying on what it recorded."""
    with running_ollama_server() as server:
        yield server
