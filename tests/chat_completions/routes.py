"""The ways in which a session reaches a server: the openai backend, and LiteLLM's routes."""

from typing import Any

import pytest
from attrs import frozen

from mellea import MelleaSession, start_session


@frozen
class Route:
    """One way.

    Args:
        backend: The backend's name.
        prefix: What stands before the model's name in its model id.
        retries: What the backend calls the number of retries.
        unsupported: Name of a common option that the backend does not support with llama-server.
    """

    backend: str
    prefix: str
    retries: str
    unsupported: str

    def __str__(self) -> str:
        return f"{self.backend} {self.prefix}".strip().rstrip("/")

    def open(self, model: str, base_url: str, **kwargs: Any) -> MelleaSession:
        return start_session(self.backend, model_id=f"{self.prefix}{model}", base_url=base_url, **kwargs)


OPENAI = Route("openai", "", "max_retries", "CONTEXT_WINDOW")
LITELLM = Route("litellm", "openai/", "num_retries", "THINKING")
HOSTED = Route("litellm", "hosted_vllm/", "num_retries", "THINKING")
"""LiteLLM calls this one through a client of its own, and not through the openai SDK."""

OLLAMA = Route("litellm", "ollama_chat/", "num_retries", "SEED")
"""This one does not speak chat-completions; refusals and silence are the same to all."""

on_every_route = pytest.mark.parametrize("route", [OPENAI, LITELLM, HOSTED, OLLAMA], ids=str, indirect=True)
through_the_sdk = pytest.mark.parametrize("route", [OPENAI, LITELLM], ids=str, indirect=True)
"""For what the openai SDK hands on and LiteLLM's own clients do not."""
