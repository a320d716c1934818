"""Guards: what makes a text bad although it meets its rules.

They are checks after the call, on which a strategy draws again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection

from attrs import field, frozen

from mellea.core.steering.stops import NEVER_LAST

__all__ = ["Guards", "floor_within"]

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_END = re.compile(r"[.!?…。\uff01\uff1f।؟:\"\u201d\u2019)\]*>]$")
_SELDOM_LAST = ("a", "about", "if", "because", "so", "such", "very", "i", "who", "whose")
_OF_LIMIT = 4
"""Tokens of a limit for each word that a text must have: room for longer words, and for a choice."""
_COUNTED_ON = 4
_LISTED = 8


def floor_within(words: int, limit: int) -> int:
    """Return the least number of words that may be asked of a text of at most so many tokens.

    Args:
        words: The least number that would be asked of a text without a limit.
        limit: The most tokens.
    """
    return min(words, limit // _OF_LIMIT)


@frozen
class Guards:
    """What a good text keeps.

    Args:
        words: Words that are known, in small letters; None where there is no such list.
        prompt: The prompt, whose words are known too.
        shortest: The least number of words.
        distinct: The least share of different pairs of words.
        unknown: The most words that are unknown, as a share.
        ended: Whether the last sentence must be complete.
    """

    words: Collection[str] | None = field(default=None, repr=False)
    prompt: str = field(default="", repr=False)
    shortest: int = 20
    distinct: float = 0.8
    unknown: float = 0.06
    ended: bool = True

    @staticmethod
    def words_in(text: str) -> frozenset[str]:
        """Return the words of a text that ``words`` is looked at for, in small letters."""
        return frozenset(part for word in _WORD.findall(text) for part in _parts(word.lower()))

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a text is good, and else the first fault."""
        fault = next(filter(None, (fault(self, text) for fault in _FAULTS)), "")
        return not fault, fault or "nothing is wrong with it"

    def faults(self, text: str) -> list[str]:
        """Return all faults."""
        return list(filter(None, (fault(self, text) for fault in _FAULTS)))


def _short(guards: Guards, text: str) -> str:
    number = len(_WORD.findall(text))
    return f"it has {number} words, fewer than {guards.shortest}" if number < guards.shortest else ""


def _repeated(guards: Guards, text: str) -> str:
    words = [word.lower() for word in _WORD.findall(text)]
    pairs = list(itertools.pairwise(words))
    share = len(set(pairs)) / len(pairs) if pairs else 1.0
    return f"only {share:.0%} of its pairs of words are different" if share < guards.distinct else ""


def _repeated_lines(guards: Guards, text: str) -> str:
    lines = [re.sub(r"^\W*\d*\W*", "", line).strip().lower() for line in text.splitlines()]
    lines += [each.strip().lower() for each in re.split(r"(?<=[.!?])\s+", text) if len(each.split()) > 2]
    seen: set[str] = set()
    own = [line for line in lines[: len(text.splitlines())] if line]
    for line in own:
        if line in seen:
            return f"the line {line[:40]!r} comes twice"
        seen.add(line)
    sentences = lines[len(text.splitlines()) :]
    twice = next((each for each in sentences if sentences.count(each) > 1), "")
    return f"the sentence {twice[:40]!r} comes twice" if twice else ""


def _strange(guards: Guards, text: str) -> str:
    if guards.words is None:
        return ""
    known = {word.lower() for word in _WORD.findall(guards.prompt)}
    words = [word.lower() for word in _WORD.findall(text)]
    strange = [word for word in words if not _known(word, guards.words, known)]
    share = len(strange) / len(words) if words else 0.0
    return f"{share:.0%} of its words are unknown, such as {strange[0]!r}" if share > guards.unknown else ""


def _known(word: str, words: Collection[str], prompt: Collection[str]) -> bool:
    return any(part in words or part in prompt for part in _parts(word))


def _parts(word: str) -> tuple[str, str]:
    """Return a word, and what stands before its apostrophe."""
    return word, re.split(r"['\u2019]", word)[0]


def _broken_off(guards: Guards, text: str) -> str:
    body = text.rstrip()
    if not guards.ended or not body:
        return ""
    last = _WORD.findall(body)[-1:]
    if not _END.search(body):
        return "its last sentence breaks off"
    return (
        f"its last sentence ends with {last[0]!r}"
        if last and last[0].lower() in {*NEVER_LAST, *_SELDOM_LAST}
        else ""
    )


def _counting(guards: Guards, text: str) -> str:
    run = re.search(rf"(?:\b\d+\b\W+){{{_COUNTED_ON},}}", text)
    if run:
        return f"it counts on and on: {run.group()[:30]!r}"
    listed = re.search(rf"(?:\b[\w'-]+, ){{{_LISTED},}}", text)
    return f"it lists on and on: {listed.group()[:40]!r}" if listed else ""


_FAULTS = (_short, _repeated, _repeated_lines, _strange, _broken_off, _counting)
