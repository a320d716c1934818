"""Programs as a server that speaks OpenAI's chat completions: ``mellea serve program.py``.

``App`` is the ASGI application, for a server of one's own; it needs the extra ``server``. The models of what
a program's ``serve(input, requirements, model_options)`` gets need nothing beside the core.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.serve.app import App
    from mellea.serve.limits import Limits
    from mellea.serve.models import (
        ChatMessage,
        ImageUrlContent,
        InputAudioContent,
        InputAudioData,
        MessageContent,
        TextContent,
    )

_MODELS = "mellea.serve.models"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "App": "mellea.serve.app",
        "ChatMessage": _MODELS,
        "ImageUrlContent": _MODELS,
        "InputAudioContent": _MODELS,
        "InputAudioData": _MODELS,
        "Limits": "mellea.serve.limits",
        "MessageContent": _MODELS,
        "TextContent": _MODELS,
    },
)

__all__ = [
    "App",
    "ChatMessage",
    "ImageUrlContent",
    "InputAudioContent",
    "InputAudioData",
    "Limits",
    "MessageContent",
    "TextContent",
]
