"""Handlers that write a line to the log: to see what happens, and as examples."""

from mellea.plugins.builtin_debug.generation import log_generation_post_call, log_generation_pre_call
from mellea.plugins.builtin_debug.sampling import (
    log_sampling_iteration,
    log_sampling_loop_end,
    log_sampling_loop_start,
    log_sampling_repair,
)
from mellea.plugins.builtin_debug.validation import log_validation_post_check, log_validation_pre_check

__all__ = [
    "log_generation_post_call",
    "log_generation_pre_call",
    "log_sampling_iteration",
    "log_sampling_loop_end",
    "log_sampling_loop_start",
    "log_sampling_repair",
    "log_validation_post_check",
    "log_validation_pre_check",
]
