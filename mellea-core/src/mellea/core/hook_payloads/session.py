"""Payloads of the hooks of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload, mapping_field

if TYPE_CHECKING:
    from mellea.core.context import Context

__all__ = ["SessionCleanupPayload", "SessionPostInitPayload", "SessionPreInitPayload", "SessionResetPayload"]


@frozen(kw_only=True)
class SessionPreInitPayload(MelleaBasePayload):
    """A session is about to open.

    Args:
        backend_name: The backend, by its name or class.
        model_id: The model that is asked for; None for the default one.
        model_options: Options of every call of the session.
        context_type: The type of context.
    """

    hook: ClassVar[HookName] = "session_pre_init"
    writable: ClassVar[tuple[str, ...]] = ("model_id", "model_options")

    backend_name: str = ""
    model_id: Any = None
    model_options: Mapping[str, Any] | None = mapping_field()
    context_type: str = ""


@frozen(kw_only=True)
class SessionPostInitPayload(MelleaBasePayload):
    """A session is open.

    Args:
        model_id: Its model.
        context: Its context.
    """

    hook: ClassVar[HookName] = "session_post_init"

    model_id: str | None = None
    context: Context | None = None


@frozen(kw_only=True)
class SessionResetPayload(MelleaBasePayload):
    """A session forgets its conversation.

    Args:
        previous_context: What it forgets.
    """

    hook: ClassVar[HookName] = "session_reset"

    previous_context: Context | None = None


@frozen(kw_only=True)
class SessionCleanupPayload(MelleaBasePayload):
    """A session closes.

    Args:
        context: What it remembers.
        interaction_count: How many turns it has remembered.
        exception: What ends its block, if that is an error.
    """

    hook: ClassVar[HookName] = "session_cleanup"

    context: Context | None = None
    interaction_count: int = 0
    exception: BaseException | None = None
