from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mellea import MelleaSession
from tests.chat_completions.routes import HOSTED, LITELLM, OPENAI, Route
from tests.servers.faults import FaultServer, running_fault_server
from tests.servers.llama import LlamaServer

Open = Callable[..., MelleaSession]


@pytest.fixture(params=[OPENAI, LITELLM], ids=str)
def real(request: pytest.FixtureRequest) -> Route:
    """A route to a real model."""
    return request.param


@pytest.fixture
def open_session(real: Route, llama_server: LlamaServer) -> Iterator[Open]:
    """Opens sessions on llama-server, and closes them."""
    sessions = []

    def opened(**kwargs: Any) -> MelleaSession:
        sessions.append(real.open(llama_server.model_id, llama_server.base_url, api_key="none", **kwargs))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.fixture(params=[OPENAI, LITELLM, HOSTED], ids=str)
def route(request: pytest.FixtureRequest) -> Route:
    """A route to a server that answers as the test says."""
    return request.param


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with running_fault_server() as server:
        yield server


@pytest.fixture
def open_faulty(route: Route, faults: FaultServer) -> Iterator[Open]:
    """Opens sessions on the faulty server, without retries and with little patience, and closes them."""
    sessions = []

    def opened(*, retries: int = 0, **kwargs: Any) -> MelleaSession:
        settings = {"base_url": faults.base_url, "api_key": "secret-key", "timeout": 5, **kwargs}
        sessions.append(route.open("m", **settings, **{route.retries: retries}))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.fixture
def faulty(open_faulty: Open) -> MelleaSession:
    return open_faulty()
