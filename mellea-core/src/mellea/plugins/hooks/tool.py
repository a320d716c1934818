"""Payloads of the hooks of tools, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.tool import ToolPostInvokePayload, ToolPreInvokePayload

__all__ = ["ToolPostInvokePayload", "ToolPreInvokePayload"]
