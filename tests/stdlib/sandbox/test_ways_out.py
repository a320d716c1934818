"""Nothing gets out of a sandbox."""

import pytest

from mellea.core import Policy
from mellea.stdlib.sandbox.landlock import LandlockSandbox
from mellea.stdlib.sandbox.monty import MontySandbox
from tests.stdlib.sandbox.ways_out import WAYS


@pytest.fixture(scope="module")
def landlock(small):
    with LandlockSandbox(small) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def monty():
    with MontySandbox(Policy(memory=64 << 20, seconds=20)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_out_of_landlock(way, landlock, outside):
    found = landlock.run(outside.variables(landlock.policy) + WAYS[way])

    assert "OUT" not in found.stdout, found
    assert not found.timed_out
    assert outside.look() == outside.before
    assert not outside.was_called()


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_out_of_monty(way, monty, outside):
    found = monty.run(outside.variables(monty.policy) + WAYS[way])

    assert "OUT" not in found.stdout, found
    assert not found.timed_out
    assert outside.look() == outside.before
    assert not outside.was_called()
