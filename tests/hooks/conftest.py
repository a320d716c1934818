"""What tests of hooks share."""

import pytest

from mellea.core.hooks import AWAITED, PROCESS


@pytest.fixture(autouse=True)
def nobody_is_left_attached():
    """Each test takes off what it registers."""
    yield
    left = list(PROCESS.handlers), list(AWAITED)
    PROCESS.replace(())
    AWAITED.clear()
    assert left == ([], [])
