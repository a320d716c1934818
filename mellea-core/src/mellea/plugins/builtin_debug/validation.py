"""A line for the beginning and the end of each check of an output, under ``mellea.hooks`` at INFO."""

from __future__ import annotations

import logging

from mellea.core.hook_handlers import HookContext, HookType, PluginMode
from mellea.core.hook_payloads.validation import ValidationPostCheckPayload, ValidationPreCheckPayload
from mellea.plugins.decorators import hook

__all__ = ["log_validation_post_check", "log_validation_pre_check"]

_log = logging.getLogger("mellea.hooks")


@hook(HookType.VALIDATION_PRE_CHECK, mode=PluginMode.AUDIT)
async def log_validation_pre_check(payload: ValidationPreCheckPayload, ctx: HookContext) -> None:
    """Log what is checked."""
    _log.info("validation %s of %d requirements", payload.validation_id[:8], len(payload.requirements))


@hook(HookType.VALIDATION_POST_CHECK, mode=PluginMode.AUDIT)
async def log_validation_post_check(payload: ValidationPostCheckPayload, ctx: HookContext) -> None:
    """Log what is met."""
    _log.info(
        "validation %s: %d met, %d not", payload.validation_id[:8], payload.passed_count, payload.failed_count
    )
