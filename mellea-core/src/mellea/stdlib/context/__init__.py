"""Context types, and compactors that keep a conversation within bounds."""

from mellea.core.context import Context, ContextTurn
from mellea.stdlib.context.chat import ChatContext
from mellea.stdlib.context.compactor import (
    Compactor,
    InlineCompactor,
    LLMSummarizeCompactor,
    PinPredicate,
    ThresholdCompactor,
    WindowCompactor,
    pin_nothing,
    pin_system,
    pin_system_and_initial_user,
)
from mellea.stdlib.context.simple import SimpleContext

__all__ = [
    "ChatContext",
    "Compactor",
    "Context",
    "ContextTurn",
    "InlineCompactor",
    "LLMSummarizeCompactor",
    "PinPredicate",
    "SimpleContext",
    "ThresholdCompactor",
    "WindowCompactor",
    "pin_nothing",
    "pin_system",
    "pin_system_and_initial_user",
]
