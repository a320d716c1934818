"""Payloads of the hooks of sessions, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.session import (
    SessionCleanupPayload,
    SessionPostInitPayload,
    SessionPreInitPayload,
    SessionResetPayload,
)

__all__ = ["SessionCleanupPayload", "SessionPostInitPayload", "SessionPreInitPayload", "SessionResetPayload"]
