"""What every test may use: the real model's server, started once."""

from tests.servers.fixtures import *  # noqa: F403
