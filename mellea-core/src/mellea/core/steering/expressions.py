"""A user's regular expression as a pattern that servers keep, as far as they keep such ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mellea.core.steering.pattern import Letters, Node, choice, repeat, sequence
from mellea.core.steering.plan import NotSteerableError

__all__ = ["node_of"]

_ANY = Letters.of(" !#[]~") | Letters.of("\u00a1\ud7ff")
_CLASSES = {
    "d": Letters.of("09"),
    "w": Letters.of("azAZ09__"),
    "s": Letters.among(" "),
}
_PLAIN = {"n": "\n", "t": "\t"}
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_MOST = 200


def node_of(expression: str) -> Node:
    """Return the pattern of an expression that is to match the whole text.

    Raises:
        NotSteerableError: It has a part that servers do not keep: look-around, boundaries, references,
            negated classes of rare kinds.
    """
    body = expression.removeprefix("^")
    body = body[:-1] if body.endswith("$") and not body.endswith("\\$") else body
    reader = _Reader(body)
    node = reader.choice()
    if reader.rest():
        raise NotSteerableError(f"the servers' patterns cannot say {reader.rest()[:20]!r}.")
    return node


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :]

    def _take(self, wanted: str) -> bool:
        found = self._text.startswith(wanted, self._at)
        self._at += len(wanted) if found else 0
        return found

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise NotSteerableError("the expression ends early.")
        self._at += 1
        return self._text[self._at - 1]

    def choice(self) -> Node:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return choice(*options)

    def _sequence(self) -> Node:
        return sequence(*self._counted())

    def _counted(self) -> Iterator[Node]:
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            node = self._atom()
            least, most = self._count()
            yield node if (least, most) == (1, 1) else repeat(node, least, most)

    def _count(self) -> tuple[int, int | None]:
        signs: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        sign = self.rest()[:1]
        if sign in signs:
            self._at += 1
            bounds = signs[sign]
        else:
            found = _COUNT.match(self._text, self._at)
            if found is None:
                return 1, 1
            self._at = found.end()
            least = int(found[1])
            bounds = (least, least if found[2] is None else int(found[3]) if found[3] else None)
        if max(bounds[0], bounds[1] or 0) > _MOST:
            raise NotSteerableError(f"it repeats something more than {_MOST} times.")
        if self.rest()[:1] in {"?", "+"} and self.rest():
            raise NotSteerableError("the servers' patterns know no lazy or possessive counts.")
        return bounds

    def _atom(self) -> Node:
        sign = self._next()
        if sign == "(":
            if self._take("?") and not self._take(":"):
                raise NotSteerableError(
                    "the servers' patterns know groups, and nothing else in brackets with a question mark."
                )
            node = self.choice()
            if not self._take(")"):
                raise NotSteerableError("a bracket is not closed.")
            return node
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign == ".":
            return _ANY
        if sign in "^$*+?{":
            raise NotSteerableError(f"the servers' patterns cannot say {sign!r} there.")
        return sequence(sign)

    def _escape(self) -> Node:
        sign = self._next()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign.isalnum() and sign not in _PLAIN:
            raise NotSteerableError(f"the servers' patterns know no \\{sign}.")
        return sequence(_PLAIN.get(sign, sign))

    def _class(self) -> Node:
        negated = self._take("^")
        letters, marks = Letters(()), ""
        first = True
        while first or not self._take("]"):
            first = False
            sign = self._next()
            if sign == "\\":
                sign = self._next()
                if sign in _CLASSES:
                    letters |= _CLASSES[sign]
                    continue
                if sign.isalnum() and sign not in _PLAIN:
                    raise NotSteerableError(f"the servers' patterns know no \\{sign}.")
                sign = _PLAIN.get(sign, sign)
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                last = self._next()
                if last == "\\" or last < sign:
                    raise NotSteerableError("a range of a class ends with an escape, or before it begins.")
                letters |= Letters.of(sign + last)
            elif sign in '"\\\n\t':
                marks += sign
            else:
                letters |= Letters.among(sign)
        if negated:
            taken = "".join(
                chr(code)
                for low, high in letters.ranges
                for code in range(ord(low), min(ord(high), ord(low) + 200) + 1)
            )
            return _ANY.without(taken)
        plain = letters.without('"\\')
        marks += "".join(mark for mark in '"\\' if mark in letters and mark not in marks)
        return choice(*([plain] if plain.ranges else []), *marks)
