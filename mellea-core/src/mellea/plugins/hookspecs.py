"""The hooks that a plugin may implement."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from mellea.plugins.manifests import BackendManifest, ContextManifest, HooksManifest, StrategyManifest

__all__ = [
    "GROUP",
    "hookimpl",
    "hookspec",
    "mellea_register_backends",
    "mellea_register_contexts",
    "mellea_register_hooks",
    "mellea_register_strategies",
]

GROUP = "mellea"
"""Name of the entry-point group, and of the pluggy project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Call ``register`` once for each backend that the plugin provides."""


@hookspec
def mellea_register_contexts(register: Callable[[ContextManifest], None]) -> None:
    """Call ``register`` once for each context type that the plugin provides."""


@hookspec
def mellea_register_strategies(register: Callable[[StrategyManifest], None]) -> None:
    """Call ``register`` once for each sampling strategy that the plugin provides."""


@hookspec
def mellea_register_hooks(register: Callable[[HooksManifest], None]) -> None:
    """Call ``register`` once for each set of handlers of hooks that the plugin provides."""
