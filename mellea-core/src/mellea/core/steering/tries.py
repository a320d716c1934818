"""Words with some left out: a trie of the words to avoid, turned around.

A pattern of the servers' dialect cannot say "not this word". It can say "a word that differs from it at some
letter, goes on after it, or ends before it", which is what walking the trie of all words to avoid writes
down.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from attrs import frozen

from mellea.core.steering.pattern import Letters, Literal, Node, choice, optional, repeat, sequence

__all__ = ["Spelling", "word_among", "word_without"]


_END = "\0"
"""Behind a word to avoid that must not be gone on with."""
_LONG = 4
"""Letters of a word to avoid from which on no other word begins with it."""


@frozen(cache_hash=True)
class Spelling:
    """How a word is spelled.

    Args:
        first: What its first letter may be.
        rest: What the others may be.
        least: How many letters it has at least.
        most: How many letters it has at most.
    """

    first: Letters
    rest: Letters
    least: int = 1
    most: int = 15


def word_without(spelling: Spelling, avoided: Iterable[str] = (), begun: Iterable[str] = ()) -> Node:
    """Return the words of a spelling, whatever their case none of those to avoid.

    A word that goes on where a long one to avoid ends is left out too: a model that is kept from ending a
    word makes up letters.

    Args:
        spelling: The spelling.
        avoided: Words to avoid.
        begun: Those that no word may begin with either.
    """
    words = (*avoided, *(word + _END for word in begun))
    return _step(spelling, frozenset(word.lower() for word in words if 0 < len(word) <= spelling.most), 0)


@lru_cache(64)
def word_among(words: frozenset[str]) -> Node:
    """Return these words and no others, those that begin alike written together."""
    return _among(tuple(sorted(words)))


@lru_cache(4096)
def _among(words: tuple[str, ...]) -> Node:
    """Return the endings of words in alphabetical order that begin alike."""
    options: list[Node] = []
    single = ""
    for initial, group in groupby((word for word in words if word), key=itemgetter(0)):
        endings = tuple(word[1:] for word in group)
        if endings == ("",):
            single += initial
        elif len(endings) == 1:
            options.append(Literal(initial + endings[0]))
        else:
            options.append(sequence(initial, _among(endings)))
    if single:
        options.append(Letters.among(single))
    return optional(choice(*options)) if "" in words else choice(*options)


@lru_cache(4096)
def _step(spelling: Spelling, words: frozenset[str], depth: int) -> Node:
    """Return what may stand from a depth on, at least one letter."""
    letters = spelling.first if depth == 0 else spelling.rest
    if not any(words):
        return _free(letters, spelling, depth)
    following: dict[frozenset[str], list[str]] = {}
    for initial in sorted({word[0] for word in words if word}):
        following.setdefault(frozenset(word[1:] for word in words if word[:1] == initial), []).append(initial)
    taken = "".join(
        each + each.upper() for group in following.values() for each in group if len(each.upper()) == 1
    )
    options = []
    others = letters.without(taken)
    if others.ranges:
        options.append(_free(others, spelling, depth))
    for endings, initials in following.items():
        both = "".join(each + each.upper() for each in initials)
        group = Letters.among("".join(each for each in both if each in letters))
        if not group.ranges:
            continue
        ended = _END in endings or ("" in endings and depth + 1 >= _LONG)
        grows = depth + 1 < spelling.most and not ended
        further = _step(spelling, endings, depth + 1) if grows else None
        may_end = not {"", _END} & endings and depth + 1 >= spelling.least
        if further is not None:
            options.append(sequence(group, optional(further) if may_end else further))
        elif may_end:
            options.append(group)
    return choice(*options)


def _free(first: Letters, spelling: Spelling, depth: int) -> Node:
    least, most = max(0, spelling.least - depth - 1), spelling.most - depth - 1
    return sequence(first, repeat(spelling.rest, least, most)) if most > 0 else first
