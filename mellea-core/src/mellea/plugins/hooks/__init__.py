"""Payloads: what the handlers of each hook are told."""

from mellea.core.hook_payloads.adapter_function import (
    AdapterFunctionInvocationCompletePayload,
    AdapterFunctionPhaseCompletePayload,
)
from mellea.core.hook_payloads.base import MelleaBasePayload
from mellea.core.hook_payloads.component import (
    ComponentPostErrorPayload,
    ComponentPostSuccessPayload,
    ComponentPreExecutePayload,
)
from mellea.core.hook_payloads.generation import (
    GenerationBatchErrorPayload,
    GenerationBatchPostCallPayload,
    GenerationBatchPreCallPayload,
    GenerationErrorPayload,
    GenerationEventPayload,
    GenerationPostCallPayload,
    GenerationPreCallPayload,
)
from mellea.core.hook_payloads.sampling import (
    SamplingIterationPayload,
    SamplingLoopEndPayload,
    SamplingLoopStartPayload,
    SamplingRepairPayload,
)
from mellea.core.hook_payloads.session import (
    SessionCleanupPayload,
    SessionPostInitPayload,
    SessionPreInitPayload,
    SessionResetPayload,
)
from mellea.core.hook_payloads.streaming import (
    StreamingEndPayload,
    StreamingEventPayload,
    StreamingStartPayload,
)
from mellea.core.hook_payloads.tool import ToolPostInvokePayload, ToolPreInvokePayload
from mellea.core.hook_payloads.validation import ValidationPostCheckPayload, ValidationPreCheckPayload

__all__ = [
    "AdapterFunctionInvocationCompletePayload",
    "AdapterFunctionPhaseCompletePayload",
    "ComponentPostErrorPayload",
    "ComponentPostSuccessPayload",
    "ComponentPreExecutePayload",
    "GenerationBatchErrorPayload",
    "GenerationBatchPostCallPayload",
    "GenerationBatchPreCallPayload",
    "GenerationErrorPayload",
    "GenerationEventPayload",
    "GenerationPostCallPayload",
    "GenerationPreCallPayload",
    "MelleaBasePayload",
    "SamplingIterationPayload",
    "SamplingLoopEndPayload",
    "SamplingLoopStartPayload",
    "SamplingRepairPayload",
    "SessionCleanupPayload",
    "SessionPostInitPayload",
    "SessionPreInitPayload",
    "SessionResetPayload",
    "StreamingEndPayload",
    "StreamingEventPayload",
    "StreamingStartPayload",
    "ToolPostInvokePayload",
    "ToolPreInvokePayload",
    "ValidationPostCheckPayload",
    "ValidationPreCheckPayload",
]
