"""Fixtures for running what the documentation shows."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mellea.plugins.registry import registry
from mellea_hf import LocalHFBackend
from tests.docs.pages import ROOT
from tests.plugins.samples import make_distribution

WELL_KNOWN = ("hf", "ollama", "openai", "litellm")
SAMPLES = ROOT / "tests" / "plugins" / "packages"
_MANIFEST = """
from mellea.plugins import BackendManifest, hookimpl

@hookimpl
def mellea_register_backends(register):
    for name in ("hf", "ollama", "openai", "litellm"):
        aliases = ("huggingface",) if name == "hf" else ()
        factory = "tests.docs.stand_in:StandIn"
        register(BackendManifest(name=name, summary="", factory=factory, aliases=aliases))
"""


@pytest.fixture(scope="session")
def embedded_model() -> Iterator[None]:
    """Hold the embedded model open, so that programs which open it share it."""
    with LocalHFBackend():
        yield


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this project's variables and the providers' out of the environment."""
    for name in [
        name
        for name in os.environ
        if name.startswith(("MELLEA_", "OPENAI_", "OLLAMA_")) and name != "MELLEA_CACHE"
    ]:
        monkeypatch.delenv(name)


@pytest.fixture
def stand_ins(no_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let scripted backends answer under the names of the real ones, by the means that users have."""
    entry_points = dict.fromkeys(WELL_KNOWN, "stand_ins_manifest")
    monkeypatch.syspath_prepend(
        str(make_distribution(tmp_path, "stand-ins", entry_points, {"stand_ins_manifest": _MANIFEST}))
    )
    for name in WELL_KNOWN:
        monkeypatch.setenv(f"MELLEA_BACKEND_{name.upper()}", "stand-ins")
    registry.cache_clear()
    yield
    registry.cache_clear()
    sys.modules.pop("stand_ins_manifest", None)
    importlib.invalidate_caches()


@pytest.fixture
def sample_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make the packages of the page for plugin authors importable, and the toy backend known by name."""
    for package in ("toy-backend", "lasttwo-context", "ndjson-backend"):
        monkeypatch.syspath_prepend(str(SAMPLES / package / "src"))
    monkeypatch.syspath_prepend(
        str(make_distribution(tmp_path / "toy", "toy-backend", {"toy": "toy.plugin"}, {}))
    )
    before = set(sys.modules)
    registry.cache_clear()
    yield
    registry.cache_clear()
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("toy", "lasttwo", "brook"):
            del sys.modules[name]
    importlib.invalidate_caches()
