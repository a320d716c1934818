from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from mellea import MelleaSession, start_session
from mellea.core import Message, ModelOption, ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea_ollama import OllamaModelBackend
from tests.ollama.played import PlayedServer, whole
from tests.servers.faults import running_fault_server
from tests.servers.ollama import OllamaServer

SHORT = {ModelOption.MAX_NEW_TOKENS: 12, ModelOption.TEMPERATURE: 0.0}
Ask = Callable[..., Awaitable[ModelOutputThunk[Any]]]
Make = Callable[..., OllamaModelBackend]


@pytest.fixture
def server(ollama_server: OllamaServer) -> OllamaServer:
    """The server, as it was at its start."""
    ollama_server.reset()
    return ollama_server


@pytest.fixture
async def make(server: OllamaServer) -> AsyncIterator[Make]:
    """Makes backends for the server's models, whose answers are short and greedy, and closes them."""
    backends = []

    def made(model_id: Any = "smollm2", *, model_options: Any = SHORT, **kwargs: Any) -> OllamaModelBackend:
        settings = {"base_url": server.base_url, "max_retries": 0, **kwargs}
        backends.append(OllamaModelBackend(model_id, model_options=model_options, **settings))
        return backends[-1]

    yield made
    for backend in backends:
        await backend.aclose()


@pytest.fixture
def backend(make: Make) -> OllamaModelBackend:
    return make()


@pytest.fixture
def ask(backend: OllamaModelBackend) -> Ask:
    """Asks the backend and returns the thunk, which is still on its way."""

    async def asked(
        action: Any, *, of: OllamaModelBackend = backend, fits: Any = None, **options: Any
    ) -> ModelOutputThunk[Any]:
        message = Message("user", action) if isinstance(action, str) else action
        thunk, _ = await of.generate_from_context(
            message, SimpleContext(), format=fits, model_options=options
        )
        return thunk

    return asked


@pytest.fixture
def played() -> Iterator[PlayedServer]:
    """A server that answers as the test says."""
    with running_fault_server(kind=PlayedServer) as server:
        yield server


@pytest.fixture
def play(played: PlayedServer) -> Iterator[Callable[..., MelleaSession]]:
    """Lets the server answer with these, and opens a session there."""
    sessions = []

    def opened(*replies: Any, model_id: str = "smollm2", **kwargs: Any) -> MelleaSession:
        played.answers(*(replies or (whole("Fine."),)))
        sessions.append(
            start_session("ollama", model_id, **{"base_url": played.url, "max_retries": 0, **kwargs})
        )
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()
