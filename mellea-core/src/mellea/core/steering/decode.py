"""The text of a JSON string while it streams."""

from __future__ import annotations

import re

__all__ = ["TextDecoder"]

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEAD = re.compile(r'\s*(?:\{\s*"(?:[^"\\]|\\.)*"\s*:\s*)?"')
_SIGN = re.compile(r'["\\]')
_UNIT = 6
"""Characters of an escape such as \\u00e9."""
_HIGH, _LOW, _END = 0xD800, 0xDC00, 0xE000


class TextDecoder:
    """Turns the pieces of a JSON string, or of an object whose one property is one, into pieces of its text.

    Escapes and surrogate pairs may be split anywhere between the pieces. What follows the closing quotation
    mark is dropped. Half a surrogate pair becomes the replacement character. A text that is no JSON, from a
    server that does not keep patterns, is handed on as it is.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._begun = False
        self._done = False
        self._plain = False

    @property
    def complete(self) -> bool:
        """Whether the string has been closed."""
        return self._done

    def feed(self, piece: str) -> str:
        """Take the next piece, and return the text that is certain now."""
        if self._plain:
            return piece
        self._rest += piece
        if self._done:
            return ""
        if not self._begun:
            head = _HEAD.match(self._rest)
            if head is None and self._rest.strip() and self._rest.lstrip()[0] not in '"{':
                self._plain, plain, self._rest = True, self._rest, ""
                return plain
            if head is None:
                return ""
            self._begun, self._rest = True, self._rest[head.end() :]
        return self._decoded()

    def flush(self) -> str:
        """Return what is left when nothing follows any more.

        Of a text that was cut, half an escape is dropped.
        """
        rest, self._rest = self._rest, ""
        return (
            "\ufffd"
            if self._begun and not self._done and len(rest) >= _UNIT and rest.startswith("\\u")
            else ""
        )

    def _decoded(self) -> str:
        parts: list[str] = []
        while self._rest:
            sign = _SIGN.search(self._rest)
            end = sign.start() if sign else len(self._rest)
            parts.append(self._rest[:end])
            self._rest = self._rest[end:]
            if self._rest.startswith('"'):
                self._done, self._rest = True, ""
                break
            taken = self._escape()
            if taken is None:
                break
            parts.append(taken)
        return "".join(parts)

    def _escape(self) -> str | None:
        """Take one escape off the front, and return what it stands for; None if more must come first."""
        rest = self._rest
        if len(rest) < 2:
            return None
        if rest[1] != "u":
            self._rest = rest[2:]
            return _ESCAPES.get(rest[1], rest[1])
        if len(rest) < _UNIT:
            return None
        code = _code(rest)
        if code is None or not _HIGH <= code < _LOW:
            self._rest = rest[_UNIT:]
            return "\ufffd" if code is None or _LOW <= code < _END else chr(code)
        following = rest[_UNIT:]
        if len(following) < _UNIT and "\\u".startswith(following[:2]):
            return None
        low = _code(following) if following.startswith("\\u") else None
        if low is None or not _LOW <= low < _END:
            self._rest = following
            return "\ufffd"
        self._rest = following[_UNIT:]
        return chr(0x10000 + ((code - _HIGH) << 10) + (low - _LOW))


def _code(escape: str) -> int | None:
    digits = escape[2:_UNIT]
    return int(digits, 16) if re.fullmatch(r"[0-9A-Fa-f]{4}", digits) else None
