"""Plugins: objects whose methods listen to hooks, and everything else that can be attached."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from attrs import frozen

from mellea.core.errors import PluginViolationError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.hook_dispatch import Handler
from mellea.core.hook_handlers import PluginResult
from mellea.core.hook_payloads import MelleaBasePayload
from mellea.core.hooks import HookLayer, current_scope, enter_scope
from mellea.plugins.decorators import function_handlers

__all__ = [
    "Attachable",
    "MelleaBasePayload",
    "MelleaPlugin",
    "Plugin",
    "PluginMeta",
    "PluginResult",
    "PluginViolationError",
    "handlers_of",
    "plugins_in",
    "start_plugins",
    "stop_plugins",
]


class _NoHookError(UsageError, TypeError):
    pass


class _EnteredTwiceError(UsageError, RuntimeError):
    pass


class Attachable(ABC):
    """What handlers come in. As a context manager, plain or asynchronous, they listen within the block."""

    to_subclass: ClassVar[str] = "mellea.plugins.Plugin"
    """What the author of an installed plugin makes."""

    @abstractmethod
    def handlers(self, priority: int | None = None) -> list[Handler]:
        """Return the handlers.

        Args:
            priority: What counts in place of their own.
        """

    def plugins(self) -> Iterable[Plugin]:
        """Iterate over the plugin objects that they belong to."""
        return ()

    def __enter__(self) -> Self:
        self._check_left()
        run_sync(start_plugins(self.plugins()))
        return self._attach()

    def __exit__(self, *exc: object) -> None:
        self._detach()
        run_sync(stop_plugins(self.plugins()))

    async def __aenter__(self) -> Self:
        self._check_left()
        await start_plugins(self.plugins())
        return self._attach()

    async def __aexit__(self, *exc: object) -> None:
        self._detach()
        await stop_plugins(self.plugins())

    def _check_left(self) -> None:
        if "_mellea_block" in vars(self):
            raise _EnteredTwiceError(
                f"{self!r} is attached by a with block already.", hint="Use plugin_scope(...) for each block."
            )

    def _attach(self) -> Self:
        block = vars(self)["_mellea_block"] = HookLayer(self.handlers())
        enter_scope(current_scope().with_block(block))
        return self

    def _detach(self) -> None:
        enter_scope(current_scope().without_block(vars(self).pop("_mellea_block")))


@frozen
class PluginMeta:
    """What a plugin class says of itself.

    Args:
        name: What errors and logs call it.
        priority: What counts for methods that have none of their own.
    """

    name: str
    priority: int | None = None


class Plugin(Attachable):
    """An ordinary class whose decorated methods listen to hooks.

    ::

        class Counter(Plugin, name="counter", priority=10):
            def __init__(self):
                self.calls = 0

            @hook(HookType.GENERATION_POST_CALL, mode=PluginMode.AUDIT)
            def count(self, payload, ctx):
                self.calls += 1

    A class may have coroutines ``initialize()`` and ``shutdown()``: called when an instance is attached
    first, and when it was taken off last.
    """

    meta: ClassVar[PluginMeta] = PluginMeta("Plugin")

    def __init_subclass__(cls, *, name: str = "", priority: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = cls.meta.priority if priority is None else priority
        cls.meta = PluginMeta(name or cls.__name__, inherited)

    def handlers(self, priority: int | None = None) -> list[Handler]:
        """Return the methods that listen."""
        names = dict.fromkeys(name for kind in reversed(type(self).__mro__) for name in vars(kind))
        found: list[Handler] = []
        for name in names:
            member = getattr(type(self), name, None)
            if hasattr(member, "__mellea_hooks__"):
                method = getattr(self, name)
                found += function_handlers(
                    method, priority, fallback=self.meta.priority, plugin=self.meta.name
                )
        return found

    def plugins(self) -> Iterable[Plugin]:
        """Iterate over this one."""
        return (self,)


class MelleaPlugin(Plugin):
    """The name under which programs of the 0.8 line know plugins of their framework; a ``Plugin``."""


def handlers_of(item: Any, priority: int | None = None) -> list[Handler]:
    """Return the handlers that something brings: a function, a plugin object, a set, or several of them.

    Args:
        item: What brings them.
        priority: What counts in place of their own.

    Raises:
        UsageError: (also a TypeError) It brings none.
    """
    if isinstance(item, Attachable):
        return item.handlers(priority)
    if isinstance(item, list | tuple):
        return [handler for one in item for handler in handlers_of(one, priority)]
    found = function_handlers(item, priority)
    if not found:
        is_class = isinstance(item, type) and issubclass(item, Attachable)
        hint = f"Pass an instance: {item.__name__}()." if is_class else "Decorate a function with @hook(...)."
        raise _NoHookError(f"{item!r} listens to no hook.", hint=hint)
    return found


def plugins_in(item: Any) -> list[Plugin]:
    """Return the plugin objects that something holds."""
    if isinstance(item, Attachable):
        return list(item.plugins())
    if isinstance(item, list | tuple):
        return [plugin for one in item for plugin in plugins_in(one)]
    return []


# A plugin's own start and end

_uses: dict[int, int] = {}
"""How often each plugin object is attached."""
_lock = threading.Lock()


def _counted(plugin: Plugin, change: int) -> int:
    with _lock:
        uses = _uses.get(id(plugin), 0) + change
        if uses > 0:
            _uses[id(plugin)] = uses
        else:
            _uses.pop(id(plugin), None)
        return uses


async def start_plugins(plugins: Iterable[Plugin]) -> None:
    """Count plugin objects as attached, and let those begin that were not."""
    started: list[Plugin] = []
    try:
        for plugin in plugins:
            if _counted(plugin, 1) == 1 and hasattr(plugin, "initialize"):
                await plugin.initialize()
            started.append(plugin)
    except BaseException:
        _counted(plugin, -1)
        await stop_plugins(started)
        raise


async def stop_plugins(plugins: Iterable[Plugin]) -> None:
    """Count plugin objects as taken off, and let those end that are not attached any more."""
    for plugin in plugins:
        if _counted(plugin, -1) == 0 and hasattr(plugin, "shutdown"):
            await plugin.shutdown()
