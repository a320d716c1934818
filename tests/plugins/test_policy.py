"""Which plugins may be imported at all."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea import start_session
from mellea.core import UnknownPluginError
from mellea.plugins.discovery import PluginSource, Policy
from mellea.plugins.registry import PluginRegistry

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(
    lambda name: "--" not in name
)
SOURCES = st.builds(PluginSource, NAMES, NAMES)


def policy(text: str) -> Policy:
    return Policy.from_environment({"MELLEA_PLUGINS": text})


@pytest.mark.parametrize(
    "text", ["toy", "toy-backend", "toy_backend", "toy-backend:toy", " hf , Toy ", "toy,-hf"]
)
def test_allowed_plugin_is_used(install, text):
    install("toy-backend")

    found = PluginRegistry({"MELLEA_PLUGINS": text}).resolve("backend", "toy")

    assert found.manifest.name == "toy"


@pytest.mark.parametrize(
    "text", ["", " , ", "hf", "-toy", "- toy", "-toy-backend", "-Toy_Backend:toy", "toy,-toy", "-"]
)
def test_plugin_that_is_left_out_is_not_even_imported(install, text):
    install("toy-backend")
    registry = PluginRegistry({"MELLEA_PLUGINS": text})

    row = next(row for row in registry.listing("backend") if row.name == "toy")
    with pytest.raises(UnknownPluginError, match="Backend 'toy' is left out by MELLEA_PLUGINS"):
        registry.resolve("backend", "toy")

    assert (row.status, row.remedy) == ("denied", "Change that variable to use it.")
    assert not {"toy", "toy.plugin"} & set(sys.modules)


def test_session_keeps_to_the_policy(install, monkeypatch):
    install("toy-backend")
    monkeypatch.setenv("MELLEA_PLUGINS", "-toy")

    with pytest.raises(UnknownPluginError, match="left out by MELLEA_PLUGINS"):
        start_session("toy")


def test_broken_plugin_that_is_left_out_does_not_trouble_strict_mode(install):
    install("broken-manifest", "toy-backend")
    registry = PluginRegistry({"MELLEA_PLUGINS": "-crashing", "MELLEA_STRICT_PLUGINS": "1"})

    rows = {row.name: row.status for row in registry.listing("backend")}

    assert (rows["toy"], rows["crashing"]) == ("ok", "denied")


@given(SOURCES)
def test_without_the_variable_everything_is_permitted(source):
    assert Policy.from_environment({}).permits(source)


@given(SOURCES)
def test_empty_variable_permits_nothing(source):
    assert not policy("").permits(source)


@given(SOURCES, st.lists(NAMES))
def test_denied_name_is_never_permitted(source, others):
    for name in (source.name, source.distribution, f"{source.distribution}:{source.name}"):
        assert not policy(",".join([*others, f"-{name}", name])).permits(source)


@given(SOURCES, st.lists(NAMES))
def test_allowed_name_is_permitted_whatever_else_is_allowed(source, others):
    for name in (source.name, source.distribution, f"{source.distribution}:{source.name}"):
        assert policy(",".join([*others, name])).permits(source)


@given(st.lists(st.tuples(st.booleans(), NAMES)), SOURCES, st.randoms())
def test_order_and_spaces_do_not_matter(words, source, random):
    spelled = [f"-{name}" if denied else name for denied, name in words]
    shuffled = [f"  {word} " for word in random.sample(spelled, len(spelled))]

    assert policy(",".join(spelled)) == policy(",".join(shuffled))


@given(st.text())
def test_any_text_is_a_policy_and_a_denial_behind_it_holds(text):
    toy = PluginSource("toy", "toy-backend")

    assert policy(text).permits(toy) in (True, False)
    assert not policy(f"{text},-toy").permits(toy)
