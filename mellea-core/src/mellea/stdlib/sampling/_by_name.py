"""Sampling strategies by name: those of the core, of installed plugins, and of a session's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.options import merge_options
from mellea.core.sampling import SamplingStrategy
from mellea.stdlib.opening import made

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
    from mellea.plugins.discovery import registrations_of  # noqa: PLC0415  pluggy costs 20 ms, and only opening by name needs it
    from mellea.plugins.manifests import StrategyManifest  # noqa: PLC0415
    from mellea.plugins.registry import registry  # noqa: PLC0415

    registration = registry().resolve("strategy", strategy, registrations_of(plugins or ()))
    manifest = registration.manifest
    defaults = manifest.defaults if isinstance(manifest, StrategyManifest) else {}
    named = made(registration, merge_options(defaults, arguments))
    if not isinstance(named, SamplingStrategy):
        raise UsageError(
            f"The factory of {manifest.name!r} made a {type(named).__name__}.",
            hint="Let it make a SamplingStrategy.",
        )
    return named


strategy_named = get_strategy
"""The former name of ``get_strategy``."""
