"""The backend that the command line names."""

from __future__ import annotations

from mellea.testing.conformance import BackendConformance


class TestBackend(BackendConformance):
    """Judges the backend of ``--mellea-backend``."""

    follows_options = True
