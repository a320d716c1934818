"""One of two backends of the same name."""

from mellea.core import Backend


class TwinBackend(Backend):
    """Says where it comes from."""

    provider = "twin-south"
