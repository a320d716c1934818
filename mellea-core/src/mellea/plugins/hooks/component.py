"""Payloads of the hooks of components, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.component import (
    ComponentPostErrorPayload,
    ComponentPostSuccessPayload,
    ComponentPreExecutePayload,
)

__all__ = ["ComponentPostErrorPayload", "ComponentPostSuccessPayload", "ComponentPreExecutePayload"]
