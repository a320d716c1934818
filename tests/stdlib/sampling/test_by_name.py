"""Strategies by name: the core's own, and those of plugins."""

import tomllib
import types
from pathlib import Path

import pytest

from mellea.core import UsageError
from mellea.core.errors import PluginLoadError, UnknownPluginError
from mellea.plugins import StrategyManifest, hookimpl
from mellea.plugins.discovery import registrations_of
from mellea.plugins.factory import load_factory
from mellea.plugins.registry import registry
from mellea.stdlib.sampling import (
    BestOfNSamplingStrategy,
    CascadeSamplingStrategy,
    RejectionSamplingStrategy,
    SamplingStrategy,
    get_strategy,
)
from mellea.stdlib.sampling import plugin as own
from mellea.testing import ScriptedBackend

PROJECT = Path(own.__file__).parents[4] / "pyproject.toml"


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """The core, installed with the entry points that its project file declares."""
    declared = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]["mellea"]
    folder = tmp_path / "mellea_core-9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mellea-core\nVersion: 9.9\n")
    (folder / "entry_points.txt").write_text(
        "[mellea]\n" + "\n".join(f"{name} = {value}" for name, value in declared.items())
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    yield
    registry.cache_clear()


def plugin(**fields):
    module = types.ModuleType("ours")

    @hookimpl
    def mellea_register_strategies(register):
        register(
            StrategyManifest(**({"name": "ours", "summary": "Ours.", "factory": f"{__name__}:Ours"} | fields))
        )

    module.mellea_register_strategies = mellea_register_strategies
    return module


def test_every_own_strategy_has_an_entry_point_and_a_factory():
    declared = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]["mellea"]
    entries = {name for name, target in declared.items() if target == own.__name__}

    assert entries == {manifest.name for manifest in own.MANIFESTS}
    assert all(issubclass(load_factory(entry), SamplingStrategy) for entry in registrations_of([own]))


def test_strategy_by_name_tries_again_once():
    strategy = get_strategy("rejection")

    assert type(strategy) is RejectionSamplingStrategy
    assert strategy.loop_budget == 2


def test_arguments_override_the_defaults():
    assert get_strategy("rejection", loop_budget=5).loop_budget == 5


def test_strategy_by_alias():
    assert type(get_strategy("best_of_n", n=2)) is BestOfNSamplingStrategy


def test_a_strategy_is_returned_as_it_is():
    strategy = RejectionSamplingStrategy()

    assert get_strategy(strategy) is strategy


def test_unknown_name_gives_the_nearest():
    with pytest.raises(
        UnknownPluginError, match=r"No installed plugin provides strategy 'best-of'.*'best-of-n'"
    ):
        get_strategy("best-of")


@pytest.mark.parametrize("wrong", [None, "", 3])
def test_what_is_no_name_is_our_error(wrong):
    with pytest.raises(UsageError, match="no name of a strategy"):
        get_strategy(wrong)


def test_missing_argument_is_named():
    with pytest.raises(UsageError, match="cannot be opened without backends"):
        get_strategy("cascade")


def test_strategy_over_backends_by_name():
    assert type(get_strategy("cascade", backends=[ScriptedBackend("x")])) is CascadeSamplingStrategy


def test_name_of_a_context_is_no_strategy():
    with pytest.raises(UnknownPluginError):
        get_strategy("chat")


def test_listing_shows_the_strategies_and_only_them():
    rows = {row.name: row.status for row in registry().listing("strategy")}

    assert rows == dict.fromkeys([manifest.name for manifest in own.MANIFESTS], "ok")
    assert "rejection" not in {row.name for row in registry().listing("context")}


def test_plugin_of_the_session_brings_a_strategy(monkeypatch):
    monkeypatch.setitem(
        __import__("sys").modules, "made_for_test", types.SimpleNamespace(Ours=RejectionSamplingStrategy)
    )

    strategy = get_strategy(
        "ours", plugins=[plugin(factory="made_for_test:Ours", defaults={"loop_budget": 7})]
    )

    assert strategy.loop_budget == 7


def test_factory_that_makes_something_else_is_our_error(monkeypatch):
    monkeypatch.setitem(
        __import__("sys").modules, "made_for_test", types.SimpleNamespace(Ours=lambda: "nonsense")
    )

    with pytest.raises(PluginLoadError, match="made a str"):
        get_strategy("ours", plugins=[plugin(factory="made_for_test:Ours")])


def test_broken_plugin_is_named():
    with pytest.raises(PluginLoadError, match="no_such_module"):
        get_strategy("ours", plugins=[plugin(factory="no_such_module:Ours")])
