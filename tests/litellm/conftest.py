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
        arguments = {
            "model_id": "openai/smollm2",
            "base_url": llama_server.base_url,
            "api_key": "none",
            **kwargs,
        }
        sessions.append(start_session("litellm", **arguments))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with running_fault_server() as server:
        yield server
