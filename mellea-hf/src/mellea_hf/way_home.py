"""The way home: tokens with which an output that has begun can still be completed.

A row carries one such way, its witness. A token is taken only if a way home from there is known within the
tokens that are left, so that an output is complete at any limit that its first way home fits into. The way
from before is tried first, then its later parts, then the least text that an expression leaves, then a search
over copies of the matcher: tokens that have to come, tokens that close what is open, least values of the
schema. A search that fails proves nothing; the token is then not taken, and the witness stays. An expression
says how many tokens are enough from wherever an output is: while more are left, no way home is looked for.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

import numpy as np
from attrs import field, frozen

from mellea_hf.remainder import Remainder

__all__ = ["Exits", "WayHome"]

_LOOKS = 400
"""States that are looked at for the first way home, where the schema itself shows none."""
_LOOKS_ON = 60
"""States that are looked at for another one."""
_FEW = 24
"""Allowed tokens up to which each is tried."""
_WIDE = 2_000
"""Allowed tokens from which on an output is within a text."""
_BRANCHES = 8
"""Tokens that are tried in one state."""
_SKIPPED = 8
"""Tokens at the beginning of a way home which a token from elsewhere may have made needless."""
_ENDS = 40
"""Characters of a least text whose rest may end a text that has begun."""
_STRUCTURE = tuple(bytes([sign]) for sign in b'",}]:')
_LENGTHS = (32, 16, 8, 4, 2, 1)


@frozen(eq=False)
class Exits:
    """What leads out of an output, for one vocabulary.

    Args:
        vocabulary: Llguidance's tokenizer.
        end: A token that ends an answer.
        closers: Tokens that close strings, lists and objects; those that close the most come first.
        enders: Those of them that begin with the end of a text.
        fillers: Tokens that a text can be filled with, long ones first; then what numbers and words begin
            with.
    """

    vocabulary: Any
    end: int
    closers: tuple[int, ...] = field(repr=False)
    enders: tuple[int, ...] = field(repr=False)
    fillers: tuple[int, ...] = field(repr=False)

    @classmethod
    def of(cls, vocabulary: Any, end_tokens: Collection[int]) -> Exits:
        """Return the exits of a vocabulary, whose tokens are looked at once."""
        closers: list[tuple[int, int]] = []
        for token in range(vocabulary.vocab_size):
            text = vocabulary.decode_bytes([token])
            if text and not text.strip(b'"]}') and text.count(b'"') <= 2:
                closers.append((-len(text), token))
        singles = [
            token
            for text in ("0", "1", "a", "A", ".", " a", " ", "-", "null", "true", "false", ",", ":", "\n")
            if len(tokens := vocabulary.tokenize_str(text)) == 1
            for token in tokens
        ]
        letters = [
            token
            for code in range(0x21, 0x7F)
            if len(tokens := vocabulary.tokenize_str(chr(code))) == 1
            for token in tokens
        ]
        runs = [
            tokens[0]
            for length in _LENGTHS
            for sign in " -=_."
            if len(tokens := vocabulary.tokenize_str(sign * length)) == 1
        ]
        fillers = dict.fromkeys([*singles[:2], *runs, *singles, *letters])
        ordered = tuple(token for _, token in sorted(closers))
        enders = [token for token in ordered if vocabulary.decode_bytes([token])[:1] == b'"']
        return cls(vocabulary, min(end_tokens), ordered, tuple(enders), tuple(fillers))

    def rank(self, token: int) -> tuple[bool, int]:
        """Return where one of few tokens comes: what ends a part comes first, then the longest."""
        text = self.vocabulary.decode_bytes([token])
        return text[:1] not in _STRUCTURE, -len(text)

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text."""
        return tuple(self.vocabulary.tokenize_str(text))

    def ends_with(self, matcher: Any, way: Sequence[int]) -> bool:
        """Tell whether an output is complete after some tokens."""
        if not way:
            return bool(matcher.is_accepting())
        return bool(matcher.validate_tokens([*way, self.end]) == len(way) + 1)


class WayHome:
    """Knows how an output can be completed.

    Args:
        exits: What leads out.
        texts: Texts of which one may complete the whole output or a part of it; the shortest way is taken.
        rest: What may follow on an empty output, where it is held to an expression.
    """

    def __init__(self, exits: Exits, texts: Sequence[str] = (), rest: Remainder | None = None) -> None:
        self._exits = exits
        self._rest, self._unread = rest, b""
        self._values = sorted(filter(None, map(exits.tokens_of, texts)), key=len)
        ends = {
            text[place:] for text in texts if text[:1] == '"' for place in range(1, min(len(text) - 1, _ENDS))
        }
        self._ends = sorted(filter(None, map(exits.tokens_of, ends)), key=len)
        self._tokens: list[int] | None = None

    def copy(self) -> WayHome:
        """Return one for another output of the same kind."""
        twin = object.__new__(WayHome)
        twin._exits, twin._values, twin._ends = self._exits, self._values, self._ends
        twin._rest, twin._unread, twin._tokens = self._rest, self._unread, self._tokens
        return twin

    @property
    def enough(self) -> int:
        """How many tokens complete an output from anywhere; beyond all limits where nothing says so."""
        return sys.maxsize if self._rest is None else self._rest.enough

    def tokens(self, matcher: Any) -> list[int] | None:
        """Return a way home from where the output is, or None where none is known.

        Args:
            matcher: The output's.
        """
        if self._tokens is None:
            self._tokens = self._least(matcher, b"", sys.maxsize)
        return self._tokens

    def took(self, token: int, way: list[int] | None = None) -> None:
        """Note that the output goes on with a token.

        Args:
            token: The token.
            way: A way home from behind it, if one was looked for.
        """
        known, self._tokens = self._tokens, way
        if way is None and known and known[0] == token:
            self._tokens = known[1:]
        if self._rest is not None:
            self._unread += self._exits.vocabulary.decode_bytes([token])

    def find(self, matcher: Any) -> bool:
        """Look for the shortest way home from the beginning; tell whether one is known.

        Args:
            matcher: A fresh matcher.
        """
        ways = [list(way) for way in self._values if self._exits.ends_with(matcher, way)]
        most = min(map(len, ways), default=4096)
        found = self._search(matcher, most - 1, _LOOKS_ON if ways else _LOOKS) if most else None
        ways += [] if found is None else [found]
        self._tokens = min(ways, key=len, default=None)
        return bool(ways)

    def after(self, matcher: Any, token: int, most: int) -> list[int] | None:
        """Return a way home from behind a token, or None where none is known.

        Args:
            matcher: A matcher that has taken the token.
            token: The token.
            most: How many tokens the way may have.
        """
        known = self._tokens or []
        if known and known[0] == token and len(known) - 1 <= most:
            return known[1:]
        if most >= 0 and matcher.is_accepting():
            return []
        for skipped in range(min(len(known), _SKIPPED), -1, -1):
            way = known[skipped:]
            if way and len(way) <= most and self._exits.ends_with(matcher, way):
                return way
        least = self._least(matcher, self._exits.vocabulary.decode_bytes([token]), most)
        return self._search(matcher, most, _LOOKS_ON) if least is None else least

    def _least(self, matcher: Any, data: bytes, most: int) -> list[int] | None:
        """Return the least way home of at most some tokens that the expression leaves behind some bytes."""
        if self._rest is None:
            return None
        try:
            self._rest, self._unread = self._rest.after(self._unread.decode()), b""
        except UnicodeDecodeError:  # a token has ended within a character
            return None
        try:
            text = self._rest.after(data.decode()).least
        except UnicodeDecodeError:
            return None
        way = [] if text is None else list(self._exits.tokens_of(text))
        fits = text is not None and len(way) <= most and self._exits.ends_with(matcher, way)
        return way if fits else None

    def _search(self, matcher: Any, most: int, looks: int) -> list[int] | None:
        """Return a way home of at most some tokens: the one that turns least from the first choices."""
        order = count()
        used: Counter[tuple[int, int]] = Counter()
        heap: list[tuple[int, int, int, Any, list[int]]] = [(0, 0, next(order), matcher, [])]
        for _ in range(looks):
            if not heap:
                return None
            turns, _, _, state, way = heapq.heappop(heap)
            if state.is_accepting():
                return way
            for turn, step in enumerate(self._steps(state, used)):
                if len(way) + len(step) <= most:
                    after = state.deep_copy()
                    if after.try_consume_tokens(list(step)) == len(step):
                        longer = [*way, *step]
                        heapq.heappush(heap, (turns + turn, -len(longer), next(order), after, longer))
        return None

    def _steps(self, state: Any, used: Counter[tuple[int, int]]) -> list[tuple[int, ...]]:
        """Return what may be tried from a state, the best first."""
        forced = state.compute_ff_tokens()
        if forced:
            return [tuple(forced)]
        mask = state.compute_logit_bias()
        allowed = np.frombuffer(mask, dtype=np.uint8).nonzero()[0]
        others: Sequence[int] = self._exits.fillers
        steps: list[tuple[int, ...]] = []
        if len(allowed) > _WIDE:  # within a text, where all but its end is mere text
            steps += [(token,) for token in self._exits.enders if mask[token]][:2]
            steps += self._values_at(state, mask, ends=True)
            others = () if steps else others
        else:
            steps += [(token,) for token in self._exits.closers if mask[token]][:3]
            steps[1:1] = self._values_at(state, mask)
            if len(allowed) <= _FEW:
                others = sorted(map(int, allowed), key=self._exits.rank)
        state_key = hash(mask)
        # One that has led back here often comes behind the others.
        found = sorted(
            (token for token in others if mask[token]), key=lambda each: used[state_key, each] // 4
        )
        if not found and not steps:
            found = [int(token) for token in allowed[:_BRANCHES]]
        if found and not steps:
            used[state_key, found[0]] += 1
        steps += [(token,) for token in found]
        return list(dict.fromkeys(steps))[:_BRANCHES]

    def _values_at(self, state: Any, mask: bytes, *, ends: bool = False) -> list[tuple[int, ...]]:
        """Return the least values, or the ends of those, that may stand in a state, short ones first."""
        ways = self._ends if ends else self._values
        return [way for way in ways if mask[way[0]] and state.validate_tokens(list(way)) == len(way)][:3]
