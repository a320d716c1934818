"""The real model through both of its ways: in this process, and behind an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mellea import ChatContext, MelleaSession, ModelOption, start_session
from mellea.core import Backend
from tests.servers.llama import LlamaServer

OPTIONS = {
    ModelOption.SEED: 1,
    ModelOption.TEMPERATURE: 0.7,
    ModelOption.MAX_NEW_TOKENS: 20,
    ModelOption.STEER: False,
}


@pytest.fixture(scope="session")
def hf_backend() -> Iterator[Backend]:
    """SmolLM2 in this process, loaded once."""
    with start_session("hf") as session:
        yield session.backend


@pytest.fixture
def hf(hf_backend: Backend) -> Iterator[MelleaSession]:
    """A session on SmolLM2 in this process."""
    with MelleaSession(hf_backend, ChatContext(), model_options=OPTIONS) as session:
        yield session


@pytest.fixture(scope="module")
def llama_module(llama_server: LlamaServer) -> Iterator[MelleaSession]:
    """A session on SmolLM2 behind llama-server, the same for all tests of a module."""
    where = {"model_id": llama_server.model_id, "base_url": llama_server.base_url, "api_key": "none"}
    with start_session("openai", ctx=ChatContext(), model_options=OPTIONS, **where) as session:
        yield session


@pytest.fixture
def llama(llama_module: MelleaSession) -> Iterator[MelleaSession]:
    """A session on SmolLM2 behind llama-server, with a conversation of its own."""
    with llama_module.clone() as session:
        yield session


@pytest.fixture(params=["hf", "llama"])
def session(request: pytest.FixtureRequest) -> MelleaSession:
    """A session on each of the two."""
    opened: MelleaSession = request.getfixturevalue(request.param)
    return opened
