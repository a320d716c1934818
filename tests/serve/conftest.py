"""One server of all the programs for each module."""

import pytest

from mellea.serve import App, Limits
from tests.serve.programs import backend, programs
from tests.serve.serving import serving


@pytest.fixture(scope="module")
def address():
    app = App(*programs(), backend=backend(), limits=Limits(grace_seconds=0))
    with serving(app) as (address, _):
        yield address
