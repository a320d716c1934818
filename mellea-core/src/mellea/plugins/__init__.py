"""What the author of a plugin imports. Small, documented, stable.

A plugin is a distribution with an entry point in the group ``mellea``, named after what it provides, which
points at a *manifest module*: a module that imports nothing but this package and implements one or more hooks
(``mellea_register_backends``, ``mellea_register_contexts``, ``mellea_register_strategies``)::

    from mellea.plugins import BackendManifest, Capability, hookimpl

    @hookimpl
    def mellea_register_backends(register):
        register(BackendManifest(name="toy", summary="Repeats the prompt.", factory="toy.backend:ToyBackend",
                                 capabilities={Capability.STREAMING}))

Lifecycle hooks are functions that look at calls, change or stop them: ``@hook(...)``, attached with
``start_session(plugins=[...])``, ``plugin_scope(...)`` or ``register(...)``; a distribution brings them with
a ``HooksManifest`` (``mellea_register_hooks``).

The factory stays a string until a session opens. ``API_VERSION`` numbers this interface; a manifest made for
another one is refused with the remedy.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.capabilities import Capability
    from mellea.core.errors import HookFailedError, PluginViolationError
    from mellea.core.hook_handlers import HookContext, HookType, PluginMode, PluginResult, block, modify
    from mellea.plugins.attaching import plugin_scope, register, unregister
    from mellea.plugins.base import Plugin
    from mellea.plugins.decorators import hook
    from mellea.plugins.hookspecs import hookimpl
    from mellea.plugins.manager import is_internal_tool
    from mellea.plugins.manifests import (
        API_VERSION,
        BackendManifest,
        ContextManifest,
        HooksManifest,
        StrategyManifest,
    )
    from mellea.plugins.pluginset import PluginSet
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "API_VERSION": "mellea.plugins.manifests",
            "BackendManifest": "mellea.plugins.manifests",
            "Capability": "mellea.core.capabilities",
            "ContextManifest": "mellea.plugins.manifests",
            "HookContext": "mellea.core.hook_handlers",
            "HookFailedError": "mellea.core.errors",
            "HookType": "mellea.core.hook_handlers",
            "HooksManifest": "mellea.plugins.manifests",
            "Plugin": "mellea.plugins.base",
            "PluginMode": "mellea.core.hook_handlers",
            "PluginResult": "mellea.core.hook_handlers",
            "PluginSet": "mellea.plugins.pluginset",
            "PluginViolationError": "mellea.core.errors",
            "StrategyManifest": "mellea.plugins.manifests",
            "block": "mellea.core.hook_handlers",
            "hook": "mellea.plugins.decorators",
            "hookimpl": "mellea.plugins.hookspecs",
            "is_internal_tool": "mellea.plugins.manager",
            "modify": "mellea.core.hook_handlers",
            "plugin_scope": "mellea.plugins.attaching",
            "register": "mellea.plugins.attaching",
            "unregister": "mellea.plugins.attaching",
        },
    )

__all__ = [
    "API_VERSION",
    "BackendManifest",
    "Capability",
    "ContextManifest",
    "HookContext",
    "HookFailedError",
    "HookType",
    "HooksManifest",
    "Plugin",
    "PluginMode",
    "PluginResult",
    "PluginSet",
    "PluginViolationError",
    "StrategyManifest",
    "block",
    "hook",
    "hookimpl",
    "is_internal_tool",
    "modify",
    "plugin_scope",
    "register",
    "unregister",
]
