"""Payloads of the hooks of samplings, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.sampling import (
    SamplingIterationPayload,
    SamplingLoopEndPayload,
    SamplingLoopStartPayload,
    SamplingRepairPayload,
)

__all__ = [
    "SamplingIterationPayload",
    "SamplingLoopEndPayload",
    "SamplingLoopStartPayload",
    "SamplingRepairPayload",
]
