r"""Regular expressions in JSON schemas: which an engine can read, and how llama.cpp's grammar is told them.

A pattern of a schema is searched for anywhere in the text (ECMA 262). llama.cpp's grammar matches it
against the whole of the JSON that the text is written in, knows neither ``\d`` nor a dot that keeps away
from quotes, and says nothing of what it drops. Characters are handled as sets of code points, so that every
class, shorthand and negation is one thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import define, field, frozen

__all__ = ["EMAIL", "IPV4", "MOST_REPETITIONS", "PatternError", "is_plain", "whole_json_text"]

MOST_REPETITIONS = 1000
"""Repetitions of one thing that are sent; llama.cpp refuses a grammar with about twice as many."""

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
EMAIL = rf"^[A-Za-z0-9_+-]{{1,20}}(\.[A-Za-z0-9_+-]{{1,20}}){{0,2}}@({_LABEL}\.){{1,3}}[A-Za-z]{{2,12}}$"
"""Addresses of mail, bounded in length: a small model would never end one."""
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"^({_OCTET}\.){{3}}{_OCTET}$"

_LAST = 0x10FFFF
_SPECIAL = frozenset("^$.[](){}|*+?")
_DIGIT = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((32, 32),)
_NO_JSON_TEXT = ((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C))
"""Control characters, the quote and the backslash: in JSON each of them needs a backslash before it."""
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "0": 0}
_QUANTIFIER = re.compile(r"\*|\+|\?|\{(?P<low>[0-9]{1,9})(?:(?P<comma>,)(?P<high>[0-9]{1,9})?)?\}")
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}")
_GROUP = re.compile(r"\?:|\?P?<[A-Za-z_]\w*>")

Interval: TypeAlias = tuple[int, int]


class PatternError(ValueError):
    """A pattern that cannot be read, or cannot be told to an engine."""


@frozen
class _Characters:
    intervals: tuple[Interval, ...]


@frozen
class _Anchor:
    at_end: bool


@frozen
class _Sequence:
    parts: tuple[_Node, ...]


@frozen
class _Choice:
    options: tuple[_Node, ...]


@frozen
class _Repeated:
    part: _Node
    low: int
    high: int | None


_Node: TypeAlias = _Characters | _Anchor | _Sequence | _Choice | _Repeated
_ANYTHING = _Repeated(_Characters(((0, _LAST),)), 0, None)


def is_plain(pattern: str) -> bool:
    """Tell whether engines without look-around, word boundaries and back references can read a pattern."""
    try:
        _Parser(pattern).parse()
    except PatternError:
        return False
    return True


def whole_json_text(pattern: str) -> str | None:
    """Return a pattern for llama.cpp's grammar, which matches all between the quotes of a JSON text.

    What matches the result matches the pattern. The reverse does not hold for quotes, backslashes and
    control characters, which the grammar cannot write.

    Args:
        pattern: A pattern of a JSON schema.

    Returns:
        The pattern, anchored at both ends; None if every text matches.

    Raises:
        PatternError: It cannot be said.
    """
    node = _Parser(pattern).parse()
    branches = [_anchored(option) for option in (node.options if isinstance(node, _Choice) else (node,))]
    if any(not body and not (start and end) for start, body, end in branches):
        return None
    bodies = [_Sequence(_whole(*branch)) for branch in branches]
    told = _choice(bodies) if len(bodies) > 1 else _told(bodies[0])
    if not told:
        raise PatternError("it allows nothing but the empty text")
    return f"^{told}$"


def _whole(start: bool, body: list[_Node], end: bool) -> tuple[_Node, ...]:
    """Return the parts of a branch with what may stand before it and after it."""
    before = [] if start or body[:1] == [_ANYTHING] else [_ANYTHING]
    return (*before, *body, *([] if end or [*before, *body][-1:] == [_ANYTHING] else [_ANYTHING]))


def _anchored(node: _Node) -> tuple[bool, list[_Node], bool]:
    """Return what a branch holds, with whether it is anchored at its start and at its end."""
    parts: list[_Node] = list(node.parts) if isinstance(node, _Sequence) else [node]
    start = end = False
    while parts and parts[0] == _Anchor(at_end=False):
        start, parts = True, parts[1:]
    while parts and parts[-1] == _Anchor(at_end=True):
        end, parts = True, parts[:-1]
    return start, parts, end


@define
class _Parser:
    """Reads a pattern. Groups leave no trace: nothing refers back to them.

    Args:
        text: The pattern.
    """

    text: str
    _at: int = field(init=False, default=0)

    def parse(self) -> _Node:
        try:
            node = self._choice(depth=0)
        except RecursionError:
            raise PatternError("it is nested too deeply") from None
        if self._at < len(self.text):
            raise PatternError("a parenthesis is closed that is not open")
        return node

    def _peek(self) -> str:
        return self.text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise PatternError("it ends too early")
        self._at += 1
        return character

    def _take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self.text, self._at)
        if found:
            self._at = found.end()
        return found

    def _choice(self, depth: int) -> _Node:
        options = [self._sequence(depth)]
        while self._peek() == "|":
            self._next()
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else _Choice(tuple(options))

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while (character := self._peek()) and character not in "|)":
            part = self._atom(depth)
            quantifier = self._take(_QUANTIFIER)
            if quantifier:
                if isinstance(part, _Anchor):
                    raise PatternError("an anchor is repeated")
                part = _repeated(part, quantifier)
                if self._peek() == "?":  # the same texts, found in another order
                    self._next()
                if self._peek() in ("*", "+"):
                    raise PatternError("a quantifier follows a quantifier")
            parts.append(part)
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _atom(self, depth: int) -> _Node:
        character = self._next()
        if character == "(":
            if self._peek() == "?" and not self._take(_GROUP):
                raise PatternError("it looks around, or sets a flag")
            if depth > 50:
                raise PatternError("it is nested too deeply")
            inner = self._choice(depth + 1)
            if self._next() != ")":
                raise PatternError("a parenthesis is not closed")
            return inner
        if character in "^$":
            return _Anchor(character == "$")
        if character == ".":
            return _Characters(((0, _LAST),))
        if character == "[":
            return _Characters(self._class())
        if character in "*+?":
            raise PatternError("nothing stands before a quantifier")
        return _Characters(self._escape() if character == "\\" else (_point(ord(character)),))

    def _escape(self) -> tuple[Interval, ...]:
        if code := self._take(_CODE):
            return (_point(min(int(code[code.lastindex or 0], 16), _LAST)),)
        character = self._next()
        shorthand = {"d": _DIGIT, "w": _WORD, "s": _SPACE}.get(character.lower())
        if shorthand is not None:
            return shorthand if character.islower() else _others(shorthand)
        if character in _CONTROLS:
            return (_point(_CONTROLS[character]),)
        if character.isalnum():
            raise PatternError(f"\\{character} is not known")
        return (_point(ord(character)),)

    def _class(self) -> tuple[Interval, ...]:
        negated = self._peek() == "^"
        if negated:
            self._next()
        members: list[Interval] = []
        while (character := self._next()) != "]" or not members:
            first = self._escape() if character == "\\" else (_point(ord(character)),)
            if self.text[self._at : self._at + 1] == "-" and self.text[self._at + 1 : self._at + 2] not in (
                "]",
                "",
            ):
                self._next()
                last = self._escape() if (character := self._next()) == "\\" else (_point(ord(character)),)
                first = (_range(first, last),)
            members.extend(first)
        return _others(members) if negated else _joined(members)


def _repeated(part: _Node, quantifier: re.Match[str]) -> _Repeated:
    if quantifier["low"] is None:
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[quantifier.group()]
        return _Repeated(part, low, high)
    low = int(quantifier["low"])
    high = int(quantifier["high"]) if quantifier["high"] else None if quantifier["comma"] else low
    return _Repeated(part, low, high)


def _point(code: int) -> Interval:
    return (code, code)


def _range(first: Sequence[Interval], last: Sequence[Interval]) -> Interval:
    if len(first) > 1 or len(last) > 1 or first[0][0] != first[0][1] or last[0][0] < first[0][0]:
        raise PatternError("a range has no two ends")
    return (first[0][0], last[0][0])


def _joined(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    joined: list[Interval] = []
    for low, high in sorted(intervals):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(joined)


def _others(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    others: list[Interval] = []
    begin = 0
    for low, high in _joined(intervals):
        if low > begin:
            others.append((begin, low - 1))
        begin = high + 1
    return (*others, (begin, _LAST)) if begin <= _LAST else tuple(others)


def _told(node: _Node) -> str:
    """Return a node in the words of llama.cpp's grammar."""
    if isinstance(node, _Anchor):
        raise PatternError("an anchor stands in the middle")
    if isinstance(node, _Choice):
        return _choice(node.options)
    if isinstance(node, _Sequence):
        return "".join(map(_told, node.parts))
    if isinstance(node, _Characters):
        return _characters(node.intervals)
    if max(node.low, node.high or 0) > MOST_REPETITIONS:
        raise PatternError(f"something is repeated more than {MOST_REPETITIONS} times")
    if node.high is None and _may_be_empty(node.part):
        raise PatternError("something that may be empty is repeated")
    told = _told(node.part)
    single = (
        (told.startswith("[") or told.isascii())
        if isinstance(node.part, _Characters)
        else _is_group(node.part, told)
    )
    mark = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((node.low, node.high))
    if mark is None:
        most = "" if node.high is None else node.high
        mark = f"{{{node.low}}}" if node.low == node.high else f"{{{node.low},{most}}}"
    return f"{told if single else f'({told})'}{mark}"


def _is_group(node: _Node, told: str) -> bool:
    return isinstance(node, _Choice) and told.endswith(")")


def _choice(options: Sequence[_Node]) -> str:
    told = [_told(option) for option in options]
    some = f"({'|'.join(text for text in told if text)})"
    return some if all(told) else f"{some}?" if any(told) else ""


def _may_be_empty(node: _Node) -> bool:
    if isinstance(node, _Repeated):
        return node.low == 0 or _may_be_empty(node.part)
    if isinstance(node, _Sequence):
        return all(map(_may_be_empty, node.parts))
    return any(map(_may_be_empty, node.options)) if isinstance(node, _Choice) else False


def _characters(intervals: tuple[Interval, ...]) -> str:
    kept = _others((*_others(intervals), *_NO_JSON_TEXT))
    if not kept:
        raise PatternError("it asks for a quote, a backslash or a control character")
    if len(kept) == 1 and kept[0][0] == kept[0][1]:
        character = chr(kept[0][0])
        return f"\\{character}" if character in _SPECIAL else character
    negated = kept[-1][1] == _LAST
    shown = _others(kept) if negated else kept
    return f"[{'^' if negated else ''}{''.join(_shown(*interval) for interval in shown)}]"


def _shown(low: int, high: int) -> str:
    ends = _in_class(low), _in_class(high)
    return ends[0] if low == high else "".join(ends) if high == low + 1 else f"{ends[0]}-{ends[1]}"


def _in_class(code: int) -> str:
    character = chr(code)
    if character in "[]\\":
        return f"\\{character}"
    if code < 0x20 or character in "^-":
        return f"\\x{code:02x}"
    return character if character.isprintable() else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
