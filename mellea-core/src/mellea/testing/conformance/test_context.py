"""The context type that the command line names."""

from __future__ import annotations

from mellea.testing.conformance import ContextConformance


class TestContext(ContextConformance):
    """Judges the context type of ``--mellea-context``."""

    follows_options = True
