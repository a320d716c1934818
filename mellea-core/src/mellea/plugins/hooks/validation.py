"""Payloads of the hooks of validations, under the path that programs of the 0.8 line know."""

from mellea.core.hook_payloads.validation import ValidationPostCheckPayload, ValidationPreCheckPayload

__all__ = ["ValidationPostCheckPayload", "ValidationPreCheckPayload"]
