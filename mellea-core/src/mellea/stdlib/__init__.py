"""Sessions, verbs, components, requirements, sampling strategies: what programs are written with."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.chunking import (
        Chunker,
        ChunkingStrategy,
        ParagraphChunking,
        SentenceChunking,
        WordChunking,
    )
    from mellea.stdlib.streaming import (
        ChunkEvent,
        CompletedEvent,
        ErrorEvent,
        FullValidationEvent,
        QuickCheckEvent,
        RetryEvent,
        Streamer,
        StreamEvent,
        StreamingDoneEvent,
        stream,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ChunkEvent": "mellea.stdlib.streaming",
            "Chunker": "mellea.core.chunking",
            "ChunkingStrategy": "mellea.core.chunking",
            "CompletedEvent": "mellea.stdlib.streaming",
            "ErrorEvent": "mellea.stdlib.streaming",
            "FullValidationEvent": "mellea.stdlib.streaming",
            "ParagraphChunking": "mellea.core.chunking",
            "QuickCheckEvent": "mellea.stdlib.streaming",
            "RetryEvent": "mellea.stdlib.streaming",
            "SentenceChunking": "mellea.core.chunking",
            "StreamEvent": "mellea.stdlib.streaming",
            "Streamer": "mellea.stdlib.streaming",
            "StreamingDoneEvent": "mellea.stdlib.streaming",
            "WordChunking": "mellea.core.chunking",
            "stream": "mellea.stdlib.streaming",
        },
    )

__all__ = [
    "ChunkEvent",
    "Chunker",
    "ChunkingStrategy",
    "CompletedEvent",
    "ErrorEvent",
    "FullValidationEvent",
    "ParagraphChunking",
    "QuickCheckEvent",
    "RetryEvent",
    "SentenceChunking",
    "StreamEvent",
    "Streamer",
    "StreamingDoneEvent",
    "WordChunking",
    "stream",
]
