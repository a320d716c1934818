"""What the author of a plugin imports. Small, documented, stable.

A plugin is a distribution with an entry point in the group ``mellea``, named after what it provides, which
points at a *manifest module*: a module that imports nothing but this package and implements one or more hooks
(``mellea_register_backends``, ``mellea_register_contexts``, ``mellea_register_strategies``)::

    from mellea.plugins import BackendManifest, Capability, hookimpl

    @hookimpl
    def mellea_register_backends(register):
        register(BackendManifest(name="toy", summary="Repeats the prompt.", factory="toy.backend:ToyBackend",
                                 capabilities={Capability.STREAMING}))

The factory stays a string until a session opens. ``API_VERSION`` numbers this interface; a manifest made for
another one is refused with the remedy.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.capabilities import Capability
    from mellea.plugins.hookspecs import hookimpl
    from mellea.plugins.manifests import API_VERSION, BackendManifest, ContextManifest, StrategyManifest
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "API_VERSION": "mellea.plugins.manifests",
            "BackendManifest": "mellea.plugins.manifests",
            "Capability": "mellea.core.capabilities",
            "ContextManifest": "mellea.plugins.manifests",
            "StrategyManifest": "mellea.plugins.manifests",
            "hookimpl": "mellea.plugins.hookspecs",
        },
    )

__all__ = ["API_VERSION", "BackendManifest", "Capability", "ContextManifest", "StrategyManifest", "hookimpl"]
