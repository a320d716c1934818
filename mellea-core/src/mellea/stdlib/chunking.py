"""Cutting a text into chunks, under the path that programs import it from."""

from mellea.core.chunking import (
    Chunker,
    ChunkingStrategy,
    ParagraphChunking,
    SentenceChunking,
    WordChunking,
    get_chunking,
    resolve_chunking_strategy,
)

__all__ = [
    "Chunker",
    "ChunkingStrategy",
    "ParagraphChunking",
    "SentenceChunking",
    "WordChunking",
    "get_chunking",
    "resolve_chunking_strategy",
]
