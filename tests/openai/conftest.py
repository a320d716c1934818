from collections.abc import Callable, Iterator

import pytest

from mellea import MelleaSession, start_session
from tests.servers.faults import FaultServer, running_fault_server
from tests.servers.llama import LlamaServer

Open = Callable[..., MelleaSession]


@pytest.fixture
def open_session(llama_server: LlamaServer) -> Iterator[Open]:
    """Opens sessions on llama-server, and closes them."""
    sessions = []

    def opened(**kwargs) -> MelleaSession:
        sessions.append(
            start_session("openai", model_id=llama_server.model_id, base_url=llama_server.base_url, **kwargs)
        )
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with running_fault_server() as server:
        yield server


@pytest.fixture
def faulty(faults: FaultServer) -> Iterator[MelleaSession]:
    """A session on a server that answers as the test says, without retries."""
    with start_session(
        "openai", model_id="m", base_url=faults.base_url, api_key="secret-key", max_retries=0, timeout=5
    ) as session:
        yield session
