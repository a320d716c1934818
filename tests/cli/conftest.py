"""Fixtures of the sample distributions, which give the command line something to talk to."""

from tests.plugins.samples import *  # noqa: F403
