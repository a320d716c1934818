"""Servers that speak OpenAI's protocol: how they call themselves, and where their own routes begin."""

__all__ = ["LLAMA_CPP", "OLLAMA", "VLLM", "root_of"]

LLAMA_CPP, OLLAMA, VLLM = "llamacpp", "library", "vllm"
"""Owners of the models of llama.cpp's, Ollama's and vLLM's servers, in the words of ``/models``."""


def root_of(base_url: str) -> str:
    """Return the address of a server without the ``/v1`` of OpenAI's routes."""
    return base_url.rstrip("/").removesuffix("/v1")
