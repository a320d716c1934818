"""Fixtures of the sample distributions."""

from tests.plugins.samples import *  # noqa: F403
