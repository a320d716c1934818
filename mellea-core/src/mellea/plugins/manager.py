"""What is attached, and what runs in the background, under the path that programs of the 0.8 line know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.hook_handlers import HookType
from mellea.core.hook_payloads import MelleaBasePayload
from mellea.core.hook_tasks import discard_background_tasks, drain_background_tasks
from mellea.core.hooks import AWAITED, PROCESS, SESSIONS, current_scope, fire
from mellea.plugins.attaching import registered_plugins
from mellea.plugins.base import stop_plugins

__all__ = [
    "disable_background_collection",
    "discard_background_tasks",
    "drain_background_tasks",
    "enable_background_collection",
    "has_plugins",
    "initialize_plugins",
    "invoke_hook",
    "is_internal_tool",
    "shutdown_plugins",
]

_INTERNAL = frozenset({"final_answer", "read_result"})


def has_plugins(hook_type: HookType | str | None = None) -> bool:
    """Tell whether anybody listens to a hook here, or to any."""
    return current_scope().listens("any" if hook_type is None else HookType(hook_type).value)


async def invoke_hook(
    hook_type: HookType | str, payload: MelleaBasePayload, **_: Any
) -> tuple[None, MelleaBasePayload]:
    """Tell everybody who listens here of a payload, and return it with what they have changed.

    The first value is None; programs of the 0.8 line find the result of their framework there.

    Args:
        hook_type: The hook.
        payload: What its handlers are told.

    Raises:
        PluginViolationError: A handler stops the call.
        HookFailedError: A handler that may stop it has failed.
    """
    name = HookType(hook_type).value
    if payload.hook != name:
        raise UsageError(f"A payload of {payload.hook} is none of {name}.", hint="Pass that hook's own.")
    told = {field: getattr(payload, field) for field in _own_fields(payload)}
    changed: Mapping[str, Any] = await fire(name, **told)
    return None, payload.model_copy(update=changed)


def _own_fields(payload: MelleaBasePayload) -> list[str]:
    from attrs import fields_dict  # noqa: PLC0415  few programs fire hooks

    return [name for name in fields_dict(type(payload)) if name not in fields_dict(MelleaBasePayload)]


def initialize_plugins(config_path: str | None = None, *, timeout: float = 5.0) -> None:
    """Do nothing: plugins need no framework to be started.

    Args:
        config_path: Has to be None; attach plugins with ``register``.
        timeout: Not looked at; each handler has its own.

    Raises:
        UsageError: A file is named.
    """
    if config_path is not None:
        raise UsageError("Plugins are not read from a file.", hint="Attach them with register([...]).")


async def shutdown_plugins() -> None:
    """Take off everything that was registered, and wait for what runs in the background."""
    for layer in (PROCESS, *SESSIONS.values()):
        layer.replace(())
    AWAITED.clear()
    gone, registered_plugins[:] = list(registered_plugins), []
    await drain_background_tasks()
    await stop_plugins(gone)


def enable_background_collection() -> None:
    """Do nothing: what runs in the background can always be waited for."""


def disable_background_collection() -> None:
    """Do nothing: what runs in the background can always be waited for."""


def is_internal_tool(name: str) -> bool:
    """Tell whether a tool is one of the library itself, such as the one that ends an agent's run."""
    return name in _INTERNAL
