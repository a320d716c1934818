"""Words that never end a sentence."""

from __future__ import annotations

__all__ = ["NEVER_LAST"]

NEVER_LAST: tuple[str, ...] = (
    *(
        "an",
        "the",
        "and",
        "or",
        "but",
        "of",
        "to",
        "in",
        "for",
        "with",
        "by",
        "from",
        "at",
        "as",
        "than",
        "that",
        "which",
    ),
    *(
        "is",
        "are",
        "was",
        "were",
        "be",
        "has",
        "have",
        "will",
        "can",
        "its",
        "our",
        "your",
        "his",
        "my",
        "their",
        "into",
    ),
)
