"""A line for the beginning and the end of each generation, under ``mellea.hooks`` at INFO."""

from __future__ import annotations

import logging

from mellea.core.hook_handlers import HookContext, HookType, PluginMode
from mellea.core.hook_payloads.generation import GenerationPostCallPayload, GenerationPreCallPayload
from mellea.plugins.decorators import hook

__all__ = ["log_generation_post_call", "log_generation_pre_call"]

_log = logging.getLogger("mellea.hooks")


@hook(HookType.GENERATION_PRE_CALL, mode=PluginMode.AUDIT)
async def log_generation_pre_call(payload: GenerationPreCallPayload, ctx: HookContext) -> None:
    """Log that a backend is asked."""
    _log.info("generation %s begins: %s (%s)", payload.generation_id[:8], payload.provider, payload.model)


@hook(HookType.GENERATION_POST_CALL, mode=PluginMode.AUDIT)
async def log_generation_post_call(payload: GenerationPostCallPayload, ctx: HookContext) -> None:
    """Log that its answer is there, and how long it is."""
    length = len(payload.model_output.text) if payload.model_output is not None else 0
    _log.info(
        "generation %s ends after %.0f ms: %d characters",
        payload.generation_id[:8],
        payload.latency_ms,
        length,
    )
