"""Compositions by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mellea import start_session
from mellea.composition import BackendLeftOutWarning, CachedBackend, FallbackBackend, LimitedBackend
from mellea.composition.names import open_composition
from mellea.core import Backend, UnknownPluginError, UsageError
from mellea.core.errors import ProviderConnectionError
from mellea.testing import RecordingBackend, ScriptedBackend


class Opened(ScriptedBackend):
    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__("There.")
        self.name, self.arguments = name, arguments


def _open(name: str, arguments: Any) -> Backend:
    if name == "down":
        raise ProviderConnectionError("No server answers.")
    return Opened(name, **arguments)


def test_each_backend_may_name_its_model() -> None:
    made = open_composition("fallback:ollama/granite4.1:3b, hf/org/model,openai", _open, {"patience": 2.0})
    assert isinstance(made, FallbackBackend)
    assert [(each.name, each.arguments) for each in made.inner_backends] == [  # type: ignore[attr-defined]
        ("ollama", {"model_id": "granite4.1:3b"}),
        ("hf", {"model_id": "org/model"}),
        ("openai", {}),
    ]


def test_compositions_nest_and_pass_on_what_is_not_theirs(tmp_path: Path) -> None:
    made = open_composition(
        "limited:cached:openai", _open, {"requests_per_minute": 9, "path": tmp_path / "a.db", "model_id": "m"}
    )
    assert isinstance(made, LimitedBackend)
    (inner,) = made.inner_backends
    assert isinstance(inner, CachedBackend)
    assert inner.inner_backends[0].arguments == {"model_id": "m"}  # type: ignore[attr-defined]
    made.close()
    assert isinstance(
        open_composition("recorded:hf", _open, {"path": tmp_path / "kept.json"}), RecordingBackend
    )


def test_a_fallback_does_without_a_backend_that_is_down() -> None:
    with pytest.warns(BackendLeftOutWarning, match="does without 'down': No server answers"):
        made = open_composition("fallback:down,hf", _open, {})
    assert len(made.inner_backends) == 1  # type: ignore[attr-defined]
    with pytest.raises(ProviderConnectionError):
        open_composition("fallback:down,down", _open, {})
    with pytest.raises(ProviderConnectionError):
        open_composition("router:hf,down", _open, {})


def test_what_makes_no_sense_is_refused_and_nothing_stays_open() -> None:
    with pytest.raises(UsageError, match="leaves out a backend"):
        open_composition("fallback:ollama,", _open, {})
    with pytest.raises(UsageError, match=r"takes no argument 'model_id'\. Name a model with its backend"):
        open_composition("router:ollama,hf", _open, {"model_id": "m"})
    opened: list[Any] = []

    def remember(name: str, arguments: Any) -> Backend:
        opened.append(_open(name, arguments))
        made: Backend = opened[-1]
        return made

    with pytest.raises(UsageError, match="There is no limit"):
        open_composition("limited:hf", remember, {})
    assert opened[0].closed


def test_a_session_opens_them_by_name() -> None:
    with pytest.raises(UnknownPluginError, match="no-such-backend"):
        start_session(backend="cached:no-such-backend")
