from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mellea import MelleaSession, start_session
from tests.servers.chaos import ChaosServer, running_chaos_server

Open = Callable[..., MelleaSession]

_OPEN: dict[str, Callable[[str], dict[str, Any]]] = {
    "openai": lambda url: {"base_url": f"{url}/v1", "api_key": "none", "max_retries": 0},
    "ollama": lambda url: {"base_url": url, "max_retries": 0},
    "litellm": lambda url: {"base_url": f"{url}/v1", "api_key": "none", "max_retries": 0},
}


@pytest.fixture(scope="session")
def chaos() -> Iterator[ChaosServer]:
    with running_chaos_server() as server:
        yield server


@pytest.fixture(params=sorted(_OPEN))
def open_session(request: pytest.FixtureRequest, chaos: ChaosServer) -> Iterator[Open]:
    """Opens sessions of each network backend on the server, and closes them."""
    sessions = []

    def opened(**kwargs: Any) -> MelleaSession:
        name = request.param
        model_id = "openai/m" if name == "litellm" else "m"
        sessions.append(start_session(name, model_id, **_OPEN[name](chaos.url), **kwargs))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()
