"""Payloads of the hooks of adapter functions, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.adapter_function import (
    AdapterFunctionInvocationCompletePayload,
    AdapterFunctionPhaseCompletePayload,
)

__all__ = ["AdapterFunctionInvocationCompletePayload", "AdapterFunctionPhaseCompletePayload"]
