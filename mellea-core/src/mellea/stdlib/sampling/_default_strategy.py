"""The strategy of calls that name none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mellea.core.sampling import SamplingStrategy
from mellea.stdlib.sampling._by_name import get_strategy
from mellea.stdlib.sampling.repair import RejectionSamplingStrategy

__all__ = ["DEFAULT_STRATEGY", "ONE_ATTEMPT", "as_strategy", "needed_strategy"]

DEFAULT_STRATEGY = RejectionSamplingStrategy(loop_budget=2)
"""With a second attempt if the first one fails."""


ONE_ATTEMPT = RejectionSamplingStrategy()
"""For calls whose tools make rounds, where nothing is checked."""


def as_strategy(
    strategy: str | SamplingStrategy | None, plugins: Iterable[Any] | None = None
) -> SamplingStrategy:
    """Return the strategy that a call names; the default one for None.

    Args:
        strategy: A strategy, its name, or None.
        plugins: Plugins that may provide a strategy of that name; they go before the installed ones.

    Raises:
        UnknownPluginError: No plugin provides a strategy of this name.
        UsageError: It is neither a name nor a strategy.
    """
    return DEFAULT_STRATEGY if strategy is None else get_strategy(strategy, plugins=plugins)


def needed_strategy(
    strategy: str | SamplingStrategy | None, requirements: Iterable[Any] | None, format: Any
) -> str | SamplingStrategy | None:
    """Return the strategy of a call, or None when it is the default one and there is nothing to check."""
    return strategy if strategy is not DEFAULT_STRATEGY or requirements or format is not None else None
