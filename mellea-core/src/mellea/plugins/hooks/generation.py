"""Payloads of the hooks of generations, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.generation import (
    GenerationBatchErrorPayload,
    GenerationBatchPostCallPayload,
    GenerationBatchPreCallPayload,
    GenerationErrorPayload,
    GenerationEventPayload,
    GenerationPostCallPayload,
    GenerationPreCallPayload,
)

__all__ = [
    "GenerationBatchErrorPayload",
    "GenerationBatchPostCallPayload",
    "GenerationBatchPreCallPayload",
    "GenerationErrorPayload",
    "GenerationEventPayload",
    "GenerationPostCallPayload",
    "GenerationPreCallPayload",
]
