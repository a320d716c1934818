"""The sampling strategy that the command line names."""

from __future__ import annotations

from mellea.testing.conformance import StrategyConformance


class TestStrategy(StrategyConformance):
    """Judges the strategy of ``--mellea-strategy``."""

    follows_options = True
