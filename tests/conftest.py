"""What every test may use: the real model's servers, started once."""

from hypothesis import settings

from tests.servers.fixtures import *  # noqa: F403

settings.register_profile("mellea", deadline=None)  # speed is measured by `make bench`, never by a test
settings.load_profile("mellea")
