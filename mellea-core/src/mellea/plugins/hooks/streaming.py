"""Payloads of the hooks of streamings, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.streaming import (
    StreamingEndPayload,
    StreamingEventPayload,
    StreamingStartPayload,
)

__all__ = ["StreamingEndPayload", "StreamingEventPayload", "StreamingStartPayload"]
