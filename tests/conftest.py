"""What every test may use: the real model's servers, started once."""

import gc
import sys

import pytest
from hypothesis import settings

from tests.servers.fixtures import *  # noqa: F403

# Speed is measured by `make bench`, never by a test.
settings.register_profile("mellea", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("mellea")

DEAR = (
    "tests/docs/test_examples.py",
    "tests/docs/test_pages.py",
    "tests/hf/test_hf_conformance.py",
    "tests/real/",
    "tests/reliability/",
)
"""Few tests that take long. They begin, so that in the end no process waits for the other."""

MANY = 200
"""Modules that came since the last time."""

_modules = 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with dear tests first; within them, and behind them, the order stays random."""
    items.sort(key=lambda item: not item.nodeid.startswith(DEAR))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keep what was imported from the garbage collector, which looks at all of it when a model closes."""
    global _modules  # noqa: PLW0603  of the process, as the collector is
    if len(sys.modules) > _modules + MANY:
        _modules = len(sys.modules)
        gc.collect()
        gc.freeze()
