import pytest

from tests.servers.ollama import OllamaServer


@pytest.fixture
def server(ollama_server: OllamaServer) -> OllamaServer:
    """The Ollama-protocol server, as it was at its start."""
    ollama_server.reset()
    return ollama_server
