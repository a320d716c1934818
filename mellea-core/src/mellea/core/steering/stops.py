"""Words that never end a sentence, and that end one where it must end."""

from __future__ import annotations

__all__ = ["GROWN", "LAST", "NEVER_BEGUN", "NEVER_LAST"]

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

NEVER_BEGUN = frozenset({*(word for word in NEVER_LAST if len(word) > 2), "to", "of", "by", "my"})
"""Those that no last word begins with either: a model that has written one and must end its sentence makes up
a word of it, ``tofollow``."""

_GROWN = """
area areas arena butter butterfly button canal candle candles candy canvas force forces forest forests forever
form format forms fortune haste haven having history itself myself mysteries mystery myth myths offer offers
office offices often ours ourselves thanks theirs them then theory there these today together tomatoes
tomorrow tone tongue tool tools top topic topics total touch tour tourism tourists tower towers town towns
toy toys waste willing within without yours yourself
"""
GROWN: tuple[str, ...] = tuple(_GROWN.split())
"""Words that do begin with one of them, and may end a sentence."""

_LAST = """
all again area around away back beauty best better change city come day days done down easily end enjoy
everyone family far first food free friends fun future go good great ground grow happy heart help here home
house idea it joy know learn less life live long love more morning nature needs new night now often once one
others out own peace people place plan right road room safe same see share soon start story them then there
things time today together too town true two us value water way well work world year years you
"""

LAST: tuple[str, ...] = tuple(_LAST.split())
"""Words of several kinds, one of which ends any English sentence tolerably."""
