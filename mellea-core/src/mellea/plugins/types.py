"""The hook points, and what a handler may do, under the path that programs of the 0.8 line know."""

from mellea.core.hook_handlers import HookType, PluginMode

__all__ = ["HookType", "PluginMode"]
