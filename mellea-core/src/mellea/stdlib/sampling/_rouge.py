"""ROUGE-L: how much of two texts is the same sequence of words (Lin, 2004).

A few lines of our own, because the library for it brings nltk, numpy and absl, and compares words in
quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

__all__ = ["common_length", "rouge_l", "words_of"]


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case and without punctuation."""
    return re.findall(r"\w+", text.casefold())


def common_length(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence, counted in parallel bits (Hyyrö, 2004)."""
    places: dict[Hashable, int] = {}
    for index, item in enumerate(first):
        places[item] = places.get(item, 0) | 1 << index
    everything = (1 << len(first)) - 1
    open_places = everything
    for item in second:
        matched = open_places & places.get(item, 0)
        open_places = ((open_places + matched) | (open_places - matched)) & everything
    return len(first) - open_places.bit_count()


def rouge_l(first: str, second: str) -> float:
    """Return the ROUGE-L F1 of two texts, between 0 and 1; two texts without words are equal."""
    one, other = words_of(first), words_of(second)
    if not one or not other:
        return float(one == other)
    return 2 * common_length(one, other) / (len(one) + len(other))
