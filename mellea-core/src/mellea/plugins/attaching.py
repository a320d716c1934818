"""Attaching handlers: for the process, for a session, for a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from mellea.core.event_loop import run_sync
from mellea.core.hook_dispatch import DEFAULT_PRIORITY, Handler
from mellea.core.hook_names import HookName
from mellea.core.hooks import AWAITED, PROCESS, SESSIONS, HookLayer
from mellea.plugins.base import (
    Attachable,
    Plugin,
    handlers_of,
    plugins_in,
    start_plugins,
    stop_plugins,
)

__all__ = [
    "brings_hooks",
    "implemented",
    "opened",
    "plugin_scope",
    "register",
    "registered_plugins",
    "unregister",
]

registered_plugins: list[Plugin] = []
"""The plugin objects of ``register``."""


def register(items: Any, *, session_id: str | None = None) -> None:
    """Let handlers listen to every call of the process, or of one session. Twice is as good as once.

    Args:
        items: A function, a plugin object, a set, or a list of them.
        session_id: The session; one that is not open yet gets them when it opens.

    Raises:
        UsageError: (also a TypeError) An item listens to no hook.
    """
    handlers = handlers_of(items)
    new = [plugin for plugin in plugins_in(items) if all(plugin is not one for one in registered_plugins)]
    run_sync(start_plugins(new))
    registered_plugins.extend(new)
    if session_id is None:
        PROCESS.add(handlers)
    elif (layer := SESSIONS.get(session_id)) is not None:
        layer.add(handlers)
    else:
        AWAITED.setdefault(session_id, HookLayer()).add(handlers)


def unregister(items: Any) -> None:
    """Take off what was registered; what was not stays as it is.

    Args:
        items: A function, a plugin object, a set, or a list of them.

    Raises:
        UsageError: (also a TypeError) An item listens to no hook.
    """
    handlers = handlers_of(items)
    for layer in (PROCESS, *SESSIONS.values(), *AWAITED.values()):
        layer.remove(handlers)
    gone = [plugin for plugin in plugins_in(items) if any(plugin is one for one in registered_plugins)]
    registered_plugins[:] = [one for one in registered_plugins if all(one is not plugin for plugin in gone)]
    run_sync(stop_plugins(gone))


class _Scope(Attachable):
    def __init__(self, items: Iterable[Any]) -> None:
        self._items = list(items)
        handlers_of(self._items)

    def handlers(self, priority: int | None = None) -> list[Handler]:
        return handlers_of(self._items, priority)

    def plugins(self) -> Iterable[Plugin]:
        return plugins_in(self._items)

    def __repr__(self) -> str:
        return f"plugin_scope({', '.join(map(repr, self._items))})"


def plugin_scope(*items: Any) -> Attachable:
    """Return a context manager, plain or asynchronous, within which handlers listen to every call.

    Args:
        items: Functions, plugin objects, sets, or lists of them.

    Raises:
        UsageError: (also a TypeError) An item listens to no hook.
    """
    return _Scope(items)


def brings_hooks(item: Any) -> bool:
    """Tell whether something that a session brings along is for hooks, or a module with manifests."""
    is_class = isinstance(item, type) and issubclass(item, Attachable)
    return isinstance(item, Attachable) or is_class or hasattr(item, "__mellea_hooks__")


def opened(plugins: Iterable[Any]) -> list[Any]:
    """Return what a session brings along, with what it names by name opened.

    Raises:
        UnknownPluginError: Nothing that is installed has that name.
        PluginLoadError: What has it is broken.
    """
    given = list(plugins)
    if not any(isinstance(item, str) for item in given):
        return given
    from mellea.plugins.factory import create  # noqa: PLC0415  pluggy costs 20 ms, and only a name needs it

    modules = [item for item in given if not isinstance(item, str) and not brings_hooks(item)]
    return [
        create("hooks", item, Attachable, plugins=modules) if isinstance(item, str) else item
        for item in given
    ]


def implemented(module: Any) -> list[Handler]:
    """Return the handlers that a module or object of a session implements with ``hookimpl``.

    Raises:
        PluginLoadError: One takes other arguments than its specification.
    """
    if not any(hasattr(getattr(module, name, None), "mellea_impl") for name in get_args(HookName)):
        return []
    from mellea.plugins.discovery import hook_implementations  # noqa: PLC0415  pluggy costs 20 ms

    return [_handler(found) for found in hook_implementations(module)]


def _handler(found: Any) -> Handler:
    """Return a handler of an implementation, which may take fewer arguments than its specification has."""
    function, wanted = found.function, found.argnames

    def call(payload: Any, ctx: Any) -> Any:
        given = {"payload": payload, "ctx": ctx}
        return function(*(given[name] for name in wanted))

    priority = 0 if found.tryfirst else 100 if found.trylast else DEFAULT_PRIORITY
    called = function if tuple(wanted) == ("payload", "ctx") else call
    return Handler(called, found.function.__name__, priority=priority, name=found.plugin_name)
