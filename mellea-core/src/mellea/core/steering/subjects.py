"""What a task is about, as far as its words tell: a text about it has one of them."""

from __future__ import annotations

import re

__all__ = ["subject_words"]

_LONGEST = 200
"""Characters of a task that is told in one breath; a longer one has a text or data in it."""

_KIND = re.compile(
    r"^(?:write|give|draft|compose|make|create|prepare|tell|say)\b.*?\b(?:about|of|for|to|on)\b"
)
"""The beginning of a task that says what kind of text it is, and not yet what about."""

_GIVEN_TEXT = """
    this that these those it them following below above text answer question translate summarise summarize
    rewrite correct continue classify extract list name repeat reply return input
"""
_GIVEN = frozenset(_GIVEN_TEXT.split())
"""Words of a task that is about something given elsewhere, or wants no prose."""

_COMMON_TEXT = """
    the and for with from but nor than into over under about what how why who when where which whose does did
    do are is was were be been being has have had can could should would will must may might not all any some
    each every many much more most few less least very too enough your you our their his her its they she him
    who one two three new old good bad big small short long little great nice best first last next own other
    people person thing things way ways day days time times someone anyone everyone something
"""
_COMMON = frozenset(_COMMON_TEXT.split())
"""Words that are said of anything."""


def subject_words(task: str) -> tuple[str, ...]:
    """Return the words of what a task is about, in small letters, the longest first.

    None for a task that is not one short sentence, or that speaks of something given elsewhere.
    """
    said = task.strip().lower()
    if len(said) > _LONGEST or not re.fullmatch(r"[a-z' ,-]+[.!?]?", said):
        return ()
    if not _GIVEN.isdisjoint(re.findall(r"[a-z]+", said)):
        return ()
    about = _KIND.sub("", said) if _KIND.match(said) else said.partition(" ")[2]
    words = [word for word in re.findall(r"[a-z]{3,}", about) if word not in _COMMON]
    return tuple(sorted(dict.fromkeys(words), key=len, reverse=True))
