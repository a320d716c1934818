"""Listening to hooks without a say in what they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mellea.core.hook_handlers import HookType, PluginMode
from mellea.plugins import hook

__all__ = ["LAST", "observes"]

F = TypeVar("F", bound=Callable[..., Any])

LAST = 1000
"""Priority: what other handlers change is seen as they leave it."""


def observes(name: HookType) -> Callable[[F], F]:
    """Return a decorator for a method that looks on at a hook."""
    return hook(name, mode=PluginMode.AUDIT, priority=LAST)
