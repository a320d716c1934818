"""Sampling strategies by name: those of the core, of installed plugins, and of a session's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.sampling import SamplingStrategy
from mellea.plugins.factory import create

__all__ = ["get_strategy", "strategy_named"]


def get_strategy(
    strategy: str | SamplingStrategy, *, plugins: Iterable[Any] | None = None, **arguments: Any
) -> SamplingStrategy:
    """Return the sampling strategy of a name; a strategy is returned as it is.

    Args:
        strategy: A name such as ``rejection`` or ``best-of-n``, an alias, or ``distribution:name``.
        plugins: Plugins of the session, which go before the installed ones.
        arguments: Arguments of the strategy, which override the manifest's defaults.

    Raises:
        UnknownPluginError: No installed plugin provides a strategy of this name; the nearest names are given.
        AmbiguousPluginError: Several distributions provide it.
        PluginLoadError: The plugin that provides it is broken.
        UsageError: It is neither a name nor a strategy, or an argument is missing or not allowed.
    """
    if isinstance(strategy, SamplingStrategy):
        if arguments:
            raise UsageError(
                "A strategy is made already: arguments do not apply.",
                hint="Pass them to its class, or name the strategy instead.",
            )
        return strategy
    named: SamplingStrategy = create(
        "strategy", strategy, SamplingStrategy, arguments=arguments, plugins=plugins
    )
    return named


strategy_named = get_strategy
"""The former name of ``get_strategy``."""
