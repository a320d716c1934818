"""Sets of handlers and plugins that are attached together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mellea.core.hook_dispatch import Handler
from mellea.plugins.base import Attachable, Plugin, handlers_of, plugins_in

__all__ = ["PluginSet"]


class PluginSet(Attachable):
    """Functions, plugin objects and further sets, attached and taken off together.

    Args:
        name: What it is called.
        items: What it holds.
        priority: What counts for everything in it, further sets included.

    Raises:
        UsageError: (also a TypeError) An item listens to no hook.
    """

    def __init__(self, name: str, items: Iterable[Any], *, priority: int | None = None) -> None:
        self.name = name
        self.items = list(items)
        self.priority = priority
        for item in self.items:
            handlers_of(item)

    def flatten(self) -> list[tuple[Any, int | None]]:
        """Return what it holds, depth first, each with the priority of the outermost set that has one."""
        found: list[tuple[Any, int | None]] = []
        for item in self.items:
            inner = item.flatten() if isinstance(item, PluginSet) else [(item, None)]
            found += [(one, own if self.priority is None else self.priority) for one, own in inner]
        return found

    def handlers(self, priority: int | None = None) -> list[Handler]:
        """Return the handlers of everything in it."""
        return [
            handler
            for item, own in self.flatten()
            for handler in handlers_of(item, own if priority is None else priority)
        ]

    def plugins(self) -> Iterable[Plugin]:
        """Iterate over the plugin objects in it."""
        return plugins_in(self.items)

    def __repr__(self) -> str:
        return f"PluginSet({self.name!r}, {len(self.items)} items)"
