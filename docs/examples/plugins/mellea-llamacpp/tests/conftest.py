"""The embedded model, loaded once: backends with the same settings share it."""

import pytest

from mellea_llamacpp.backend import LlamaCppBackend

SMALL = {"threads": 1, "window": 512, "slots": 2}


@pytest.fixture(scope="session")
def model():
    """Hold the model open."""
    with LlamaCppBackend(**SMALL) as backend:
        yield backend
