"""From a name to what provides it."""

from __future__ import annotations

import sys

import pytest

from mellea import start_session
from mellea.core import BackendNotInstalledError, UnknownPluginError, UsageError
from mellea.plugins.factory import load_factory
from mellea.plugins.registry import PluginRegistry


def test_only_the_wanted_manifest_is_imported_when_the_entry_point_carries_the_name(install):
    install("toy-backend", "lasttwo-context", "twin-north")

    PluginRegistry({}).resolve("backend", "toy")

    assert "toy.plugin" in sys.modules
    assert not {"lasttwo.plugin", "twin_north.plugin"} & set(sys.modules)


def test_resolving_and_listing_import_no_factory(install):
    install("toy-backend", "lasttwo-context")
    registry = PluginRegistry({})

    registry.resolve("backend", "toy")
    registry.listing("backend")
    registry.listing("context")

    assert not {"toy.backend", "lasttwo.context"} & set(sys.modules)


def test_factory_is_imported_when_it_is_wanted(install):
    install("toy-backend")

    factory = load_factory(PluginRegistry({}).resolve("backend", "toy"))

    assert factory.__name__ == "ToyBackend"


def test_unknown_backend_suggests_the_nearest_names(install):
    install("toy-backend")

    with pytest.raises(
        UnknownPluginError, match=r"No installed plugin provides backend 'toi'. Did you mean 'toy'"
    ) as caught:
        start_session("toi")

    assert caught.value.backend == "toi"


@pytest.mark.parametrize(
    ("typed", "meant"), [("Toy", "toy"), ("PARROT", "parrot"), ("parot", "parrot"), ("olama", "ollama")]
)
def test_suggestion_overlooks_case_and_knows_aliases_and_well_known_names(install, typed, meant):
    install("toy-backend")

    with pytest.raises(UnknownPluginError, match=f"Did you mean '{meant}'"):
        PluginRegistry({}).resolve("backend", typed)


def test_unknown_context_suggests_the_nearest_name_and_lists_what_is_installed():
    with pytest.raises(
        UnknownPluginError, match=r"context 'chatt'. Did you mean 'chat'\? Installed: .*chat.*simple"
    ):
        PluginRegistry({}).resolve("context", "chatt")


def test_unknown_distribution_is_named(install):
    install("toy-backend")

    with pytest.raises(UnknownPluginError, match="provides backend 'toy' in distribution 'parrots-inc'"):
        PluginRegistry({}).resolve("backend", "parrots-inc:toy")


def test_backend_is_no_context(install):
    install("toy-backend")

    with pytest.raises(UnknownPluginError, match="No installed plugin provides context 'toy'"):
        PluginRegistry({}).resolve("context", "toy")


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_what_is_no_name_is_a_usage_error(name):
    with pytest.raises(UsageError, match="is no name of a backend"):
        PluginRegistry({}).resolve("backend", name)


@pytest.mark.parametrize(
    ("name", "extra"),
    [("ollama", "ollama"), ("openai", "openai"), ("hf", "hf"), ("huggingface", "hf"), ("litellm", "litellm")],
)
def test_missing_well_known_backend_gives_the_exact_install_command(samples, monkeypatch, name, extra):
    # The path of this process without the environment's own distributions.
    monkeypatch.setattr(sys, "path", [samples.path("mellea-core")])

    with pytest.raises(BackendNotInstalledError) as caught:
        PluginRegistry({}).resolve("backend", name)

    assert (
        str(caught.value)
        == f'Backend {name!r} is not installed. Install it with: pip install "mellea-core[{extra}]"'
    )
    assert isinstance(caught.value, ImportError)


def test_the_cores_own_contexts_come_through_the_same_hook(samples, monkeypatch):
    monkeypatch.setattr(sys, "path", [samples.path("mellea-core")])

    rows = PluginRegistry({}).listing("context")

    assert [(row.name, row.distribution, row.status) for row in rows] == [
        ("chat", "mellea-core", "ok"),
        ("simple", "mellea-core", "ok"),
    ]


def test_listing_says_what_a_backend_can_do(install):
    install("toy-backend")

    row = next(row for row in PluginRegistry({}).listing("backend") if row.name == "toy")

    assert (row.distribution, row.version, row.status) == ("toy-backend", "1.0", "ok")
    assert (row.aliases, row.capabilities) == (("parrot",), ("streaming", "token_count"))
    assert (row.summary, row.default_model_id) == (
        "A parrot: repeats every word that it is shown.",
        "parrot-1",
    )
    assert (row.problem, row.remedy) == ("", "")


FORWARDED = [
    ("ollama", "OllamaModelBackend", "ollama"),
    ("openai", "OpenAIBackend", "openai"),
    ("huggingface", "LocalHFBackend", "hf"),
    ("litellm", "LiteLLMBackend", "litellm"),
]


@pytest.mark.parametrize(("module", "name", "extra"), FORWARDED)
def test_forwarding_module_without_its_distribution_gives_the_install_command(samples, module, name, extra):
    done = samples.python("-c", f"from mellea.backends.{module} import {name}")

    assert done.returncode == 1
    assert f'Install it with: pip install "mellea-core[{extra}]"' in done.stderr.splitlines()[-1]
    assert "BackendNotInstalledError" in done.stderr.splitlines()[-1]
