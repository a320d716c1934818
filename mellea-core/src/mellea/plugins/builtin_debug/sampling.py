"""A line for each step of a strategy's loop, under ``mellea.hooks`` at INFO."""

from __future__ import annotations

import logging

from mellea.core.hook_handlers import HookContext, HookType, PluginMode
from mellea.core.hook_payloads.sampling import (
    SamplingIterationPayload,
    SamplingLoopEndPayload,
    SamplingLoopStartPayload,
    SamplingRepairPayload,
)
from mellea.plugins.decorators import hook

__all__ = [
    "log_sampling_iteration",
    "log_sampling_loop_end",
    "log_sampling_loop_start",
    "log_sampling_repair",
]

_log = logging.getLogger("mellea.hooks")


@hook(HookType.SAMPLING_LOOP_START, mode=PluginMode.AUDIT)
async def log_sampling_loop_start(payload: SamplingLoopStartPayload, ctx: HookContext) -> None:
    """Log that a loop begins."""
    _log.info(
        "sampling %s begins: %s, %d rounds, %d requirements",
        payload.sampling_id[:8],
        payload.strategy_name,
        payload.loop_budget,
        len(payload.requirements),
    )


@hook(HookType.SAMPLING_ITERATION, mode=PluginMode.AUDIT)
async def log_sampling_iteration(payload: SamplingIterationPayload, ctx: HookContext) -> None:
    """Log what an attempt meets."""
    _log.info(
        "sampling %s, round %d: %d of %d requirements met",
        payload.sampling_id[:8],
        payload.iteration,
        payload.valid_count,
        payload.total_count,
    )


@hook(HookType.SAMPLING_REPAIR, mode=PluginMode.AUDIT)
async def log_sampling_repair(payload: SamplingRepairPayload, ctx: HookContext) -> None:
    """Log that a failed attempt is repaired."""
    _log.info(
        "sampling %s, round %d repairs: %s",
        payload.sampling_id[:8],
        payload.repair_iteration,
        payload.repair_type,
    )


@hook(HookType.SAMPLING_LOOP_END, mode=PluginMode.AUDIT)
async def log_sampling_loop_end(payload: SamplingLoopEndPayload, ctx: HookContext) -> None:
    """Log how a loop ends."""
    _log.info(
        "sampling %s ends after %d attempts: %s",
        payload.sampling_id[:8],
        payload.iterations_used,
        "success" if payload.success else payload.failure_reason,
    )
