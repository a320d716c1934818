"""Tests against any real Ollama server: ``OLLAMA_HOST=... make test-ollama MODEL=name``.

They pull nothing and take the models they are told. What needs a model that none of them is, is left out, and
the summary says so. Without ``--ollama-models`` they run against the test server, so that they themselves are
tested.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen

from mellea.core import ModelOption
from mellea_ollama import OllamaModelBackend
from tests.servers.ollama.names import full_name

DEFAULT_HOST = "127.0.0.1:11434"
OURS = ("smollm2", "smolthink", "smoltools", "smolembed")
LEFT_OUT = pytest.StashKey[dict[str, str]]()
SHORT = {ModelOption.MAX_NEW_TOKENS: 8, ModelOption.TEMPERATURE: 0.0}
Make = Callable[..., OllamaModelBackend]


@frozen
class Real:
    """The server to test.

    Args:
        base_url: Its address.
        capabilities: What the told models can do, by name.
    """

    base_url: str
    capabilities: Mapping[str, Sequence[str]]

    def model(self, capability: str) -> str:
        """Return the first of the models that can do something."""
        return next(name for name, can in self.capabilities.items() if capability in can)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ollama-models", default=None, help="models of the server at OLLAMA_HOST, to test it with"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(capability): the test needs an Ollama model that can do this")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a model that none of the told ones is."""
    if told := config.getoption("--ollama-models", None):
        can = {capability for known in _real(told).capabilities.values() for capability in known}
        left_out = {item: need for item in items if (need := _need(item)) and need not in can}
        config.stash[LEFT_OUT] = {item.nodeid: need for item, need in left_out.items()}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left out, and why."""
    for name, need in config.stash.get(LEFT_OUT, {}).items():
        terminalreporter.write_line(f"LEFT OUT {name}: none of the models can do {need}")


@pytest.fixture(scope="session")
def real(request: pytest.FixtureRequest) -> Real:
    """The server at OLLAMA_HOST, or the test server."""
    if told := request.config.getoption("--ollama-models", None):
        return _real(told)
    ours = request.getfixturevalue("ollama_server")
    ours.reset()
    return Real(ours.base_url, {name: ours.capabilities_of(name) or () for name in OURS})


@pytest.fixture
def make(real: Real) -> Iterator[Make]:
    """Makes backends for a model that can do something, with short and greedy answers, and closes them."""
    backends = []

    def made(capability: str = "completion", **options: Any) -> OllamaModelBackend:
        name = real.model(capability)
        silent = {ModelOption.THINKING: False} if "thinking" in real.capabilities[name] else {}
        model_options = {**SHORT, **silent, **options}
        backend = OllamaModelBackend(name, base_url=real.base_url, model_options=model_options, pull=False)
        backends.append(backend)
        return backend

    yield made
    for backend in backends:
        backend.close()


def _need(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("needs")
    return marker.args[0] if marker and Path(__file__).parent in item.path.parents else None


def _real(told: str) -> Real:
    """Return the server at OLLAMA_HOST with the models that are told.

    Raises:
        pytest.UsageError: No server answers there, or it lacks one of them.
    """
    host = os.environ.get("OLLAMA_HOST") or DEFAULT_HOST
    base_url = (host if "://" in host else f"http://{host}").rstrip("/")
    try:
        answer = httpx.get(f"{base_url}/api/tags", timeout=10, trust_env=False)
        there = {model["name"]: model for model in answer.raise_for_status().json()["models"]}
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise pytest.UsageError(
            f"No Ollama server answers at {base_url}: {error}. Say where with OLLAMA_HOST."
        ) from error
    names = told.replace(",", " ").split()
    if missing := [name for name in names if full_name(name) not in there]:
        raise pytest.UsageError(
            f"The server at {base_url} has no {', '.join(missing)}, and the tests pull nothing. "
            f"It has: {', '.join(sorted(there))}."
        )
    return Real(base_url, {name: there[full_name(name)]["capabilities"] for name in names})
