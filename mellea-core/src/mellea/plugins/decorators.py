"""``@hook``: a function, or a method of a ``Plugin``, that listens to a hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import frozen

from mellea.core.errors import UsageError
from mellea.core.hook_dispatch import DEFAULT_PRIORITY, Handler
from mellea.core.hook_handlers import HookType, PluginMode

__all__ = ["HookMeta", "function_handlers", "hook"]

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__mellea_hooks__"


@frozen
class HookMeta:
    """What a decorated function says of itself.

    Args:
        hook_type: The hook.
        mode: What it may do.
        priority: Those with lower ones are called first; None for the plugin's, or 50.
        timeout: Seconds that it may take; None for 5 s, which hold for coroutine functions alone.
    """

    hook_type: HookType
    mode: PluginMode
    priority: int | None = None
    timeout: float | None = None


class _NoFunctionError(UsageError, TypeError):
    pass


def hook(
    hook_type: HookType | str,
    *,
    mode: PluginMode | str = PluginMode.SEQUENTIAL,
    priority: int | None = None,
    timeout: float | None = None,
) -> Callable[[F], F]:
    """Return a decorator for a function that listens to a hook once it is attached.

    The function takes the payload and a ``HookContext``. It returns None to go on, ``modify(payload, ...)``
    or ``block(reason)``. It stays an ordinary function, which tests can call.

    Args:
        hook_type: The hook.
        mode: What it may do, and when it is called.
        priority: Those with lower ones are called first; by default the plugin's, or 50.
        timeout: Seconds that it may take; by default 5, which hold for coroutine functions alone. A plain
            function with a time-out of its own runs in a thread.

    Raises:
        UsageError: There is no such hook or mode, or the time-out allows nothing; (also a TypeError) what is
            decorated cannot be called.
    """
    if timeout is not None and not timeout > 0:
        raise UsageError(f"A handler's timeout is {timeout!r}.", hint="Pass seconds above zero.")
    meta = HookMeta(HookType(hook_type), PluginMode(mode), priority, timeout)

    def decorate(function: F) -> F:
        if not callable(function) or isinstance(function, type):
            raise _NoFunctionError(f"{function!r} is no function.", hint="Decorate a function or a method.")
        function.__dict__[_MARK] = (*getattr(function, _MARK, ()), meta)
        return function

    return decorate


def function_handlers(
    function: Any, priority: int | None = None, *, fallback: int | None = None, plugin: str = ""
) -> list[Handler]:
    """Return the handlers that a function was decorated to be; none for any other value.

    Args:
        function: A function or a bound method.
        priority: What counts in place of its own.
        fallback: What counts where it has none.
        plugin: The name of the plugin that it is a method of.
    """
    if isinstance(function, type):
        return []
    return [
        Handler(
            function,
            meta.hook_type,
            meta.mode,
            _first(priority, meta.priority, fallback, DEFAULT_PRIORITY),
            plugin,
            meta.timeout,
        )
        for meta in getattr(function, _MARK, ())
    ]


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
