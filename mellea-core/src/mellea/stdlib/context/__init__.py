"""Context types, and compactors that keep a conversation within bounds."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
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
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ChatContext": "mellea.stdlib.context.chat",
            "Compactor": "mellea.stdlib.context.compactor",
            "Context": "mellea.core.context",
            "ContextTurn": "mellea.core.context",
            "InlineCompactor": "mellea.stdlib.context.compactor",
            "LLMSummarizeCompactor": "mellea.stdlib.context.compactor",
            "PinPredicate": "mellea.stdlib.context.compactor",
            "SimpleContext": "mellea.stdlib.context.simple",
            "ThresholdCompactor": "mellea.stdlib.context.compactor",
            "WindowCompactor": "mellea.stdlib.context.compactor",
            "pin_nothing": "mellea.stdlib.context.compactor",
            "pin_system": "mellea.stdlib.context.compactor",
            "pin_system_and_initial_user": "mellea.stdlib.context.compactor",
        },
    )

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
