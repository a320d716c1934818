"""What a manifest accepts, and how it says no."""

from __future__ import annotations

import pickle

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import UsageError
from mellea.plugins import API_VERSION, BackendManifest, Capability, ContextManifest

GOOD = {"name": "toy", "summary": "A toy.", "factory": "toy.backend:ToyBackend"}


def test_defaults_are_those_of_the_first_interface():
    manifest = BackendManifest(**GOOD)

    assert (manifest.aliases, manifest.capabilities, manifest.default_model_id) == ((), frozenset(), None)
    assert manifest.api_version == API_VERSION == 1


def test_capabilities_may_be_written_as_text():
    manifest = BackendManifest(**GOOD, capabilities=["streaming", "raw"])

    assert manifest.capabilities == {Capability.STREAMING, Capability.RAW}


@pytest.mark.parametrize("name", ["", "Toy", "toy backend", "toy:backend", "-toy", "töy", None, 3])
def test_bad_name_is_refused(name):
    with pytest.raises(UsageError, match=r"is no plugin name\. Use lower-case letters"):
        BackendManifest(**{**GOOD, "name": name})


@pytest.mark.parametrize(
    "factory", ["", "toy.backend", "toy.backend.ToyBackend", ":ToyBackend", "toy:", "a b:C", dict]
)
def test_factory_that_is_no_import_path_is_refused(factory):
    with pytest.raises(UsageError, match=r"is no factory\. Write it as 'package.module:Class'"):
        ContextManifest(**{**GOOD, "factory": factory})


def test_unknown_capability_is_refused_with_the_known_ones():
    with pytest.raises(
        UsageError, match=r"'telepathy' is not a valid Capability. Capabilities are .*streaming"
    ):
        BackendManifest(**GOOD, capabilities={"telepathy"})


def test_text_in_place_of_a_set_of_capabilities_is_refused():
    with pytest.raises(UsageError, match="Capabilities are a set, not the text 'streaming'"):
        BackendManifest(**GOOD, capabilities="streaming")


def test_text_in_place_of_a_tuple_of_aliases_is_refused():
    with pytest.raises(
        UsageError, match=r"Aliases are several names, not the text 'parrot'. Write \('parrot',\)"
    ):
        BackendManifest(**GOOD, aliases="parrot")


def test_bad_alias_is_refused():
    with pytest.raises(UsageError, match="'A Parrot' is no plugin name"):
        BackendManifest(**GOOD, aliases=["parrot", "A Parrot"])


def test_manifest_is_frozen_and_hashable():
    manifest = BackendManifest(**GOOD)

    with pytest.raises(FrozenInstanceError):
        manifest.name = "other"
    assert hash(manifest) == hash(BackendManifest(**GOOD))


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]*", fullmatch=True), st.frozensets(st.sampled_from(Capability)))
def test_manifest_survives_pickling(name, capabilities):
    manifest = BackendManifest(
        name=name, summary="", factory="a:B", aliases=[name], capabilities=capabilities
    )

    assert pickle.loads(pickle.dumps(manifest)) == manifest
