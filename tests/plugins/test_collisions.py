"""Two distributions that provide one name."""

from __future__ import annotations

import pytest

from mellea import start_session
from mellea.core import AmbiguousPluginError, UnknownPluginError
from mellea.plugins.registry import PluginRegistry

ORDERS = pytest.mark.parametrize("order", [("twin-north", "twin-south"), ("twin-south", "twin-north")])


@ORDERS
def test_collision_names_both_distributions_and_how_to_choose(install, order):
    install(*order)

    with pytest.raises(AmbiguousPluginError) as caught:
        start_session("twin")

    assert str(caught.value) == (
        "2 distributions provide backend 'twin': twin-north 1.0, twin-south 2.0. "
        'Choose with backend="twin-north:twin" or MELLEA_BACKEND_TWIN=twin-north.'
    )


@ORDERS
@pytest.mark.parametrize("chosen", ["twin-north", "twin-south"])
def test_distribution_in_the_name_chooses(install, order, chosen):
    install(*order)

    with start_session(f"{chosen}:twin") as m:
        assert m.backend.provider == chosen


@ORDERS
@pytest.mark.parametrize("chosen", ["twin-north", "twin-south", "Twin_South"])
def test_environment_variable_chooses(install, monkeypatch, order, chosen):
    install(*order)
    monkeypatch.setenv("MELLEA_BACKEND_TWIN", chosen)

    with start_session("twin") as m:
        assert m.backend.provider == chosen.lower().replace("_", "-")


def test_name_that_is_passed_beats_the_environment_variable(install):
    install("twin-north", "twin-south")

    found = PluginRegistry({"MELLEA_BACKEND_TWIN": "twin-north"}).resolve("backend", "twin-south:twin")

    assert found.source.distribution == "twin-south"


def test_choice_of_a_distribution_that_is_not_installed_is_an_error(install):
    install("twin-north", "twin-south")

    with pytest.raises(UnknownPluginError, match="provides backend 'twin' in distribution 'twin-east'"):
        PluginRegistry({"MELLEA_BACKEND_TWIN": "twin-east"}).resolve("backend", "twin")


def test_leaving_one_out_ends_the_collision(install):
    install("twin-north", "twin-south")

    found = PluginRegistry({"MELLEA_PLUGINS": "-twin-north"}).resolve("backend", "twin")

    assert found.source.distribution == "twin-south"


@ORDERS
def test_listing_shows_both_with_the_remedy(install, order):
    install(*order)

    rows = [row for row in PluginRegistry({}).listing("backend") if row.name == "twin"]

    assert [(row.distribution, row.status) for row in rows] == [
        ("twin-north", "ambiguous"),
        ("twin-south", "ambiguous"),
    ]
    assert rows[1].remedy == 'Choose with backend="twin-south:twin" or MELLEA_BACKEND_TWIN=twin-south.'


def test_other_names_work_beside_a_collision(install):
    install("twin-north", "twin-south", "toy-backend")

    with start_session("toy") as m:
        assert m.chat("one").content == "one"
