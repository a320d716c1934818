"""Texts within a JSON object, put in another case while the object comes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mellea.core.steering.casing import Casing, LetterCase

__all__ = ["FieldCasing"]

_ESCAPE, _CODE = 2, 6
"""Characters of an escape, and of one such as \\u00e9."""


class FieldCasing:
    """Puts the texts of some properties of one JSON object in a case, in pieces of the JSON in their order.

    Args:
        kinds: The case of each property, by its name.
    """

    def __init__(self, kinds: Mapping[str, LetterCase]) -> None:
        self._kinds = kinds
        self._depth = 0
        self._rest = ""
        self._string: str | None = None
        """What was read of a string within which the next piece goes on; None outside of one."""
        self._name: str | None = None
        """The property whose value comes next."""
        self._casing: Casing | None = None

    def feed(self, piece: str) -> str:
        """Return the next piece with its texts in their case; half an escape waits for the rest of it."""
        rest, written = self._rest + piece, []
        while unit := self._unit(rest):
            rest = rest[len(unit) :]
            written.append(self._outside(unit) if self._string is None else self._inside(unit))
        self._rest = rest
        return "".join(written)

    def _unit(self, text: str) -> str:
        """Return the first character or escape of a text; nothing where more must come."""
        if self._string is None or not text.startswith("\\"):
            return text[:1]
        size = _CODE if text[1:2] == "u" else _ESCAPE
        return text[:size] if len(text) >= size else ""

    def _outside(self, character: str) -> str:
        if character == '"':
            kind = self._kinds.get(self._name or "") if self._depth == 1 else None
            self._string, self._casing = "", Casing(kind) if kind else None
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
        elif character == "," and self._depth == 1:
            self._name = None
        return character

    def _inside(self, unit: str) -> str:
        if unit == '"':
            if self._depth == 1 and self._name is None:
                self._name = _meant(self._string or "")
            self._string = self._casing = None
            return unit
        self._string = (self._string or "") + unit
        meant = unit if self._casing is None else _meant(unit)
        if self._casing is None or len(meant) > 1 or "\ud800" <= meant <= "\udfff":
            return unit
        return json.dumps(self._casing.feed(meant), ensure_ascii=False)[1:-1]


def _meant(written: str) -> str:
    """Return what the inside of a JSON string stands for; the same where it is none."""
    try:
        return str(json.loads(f'"{written}"'))
    except ValueError:
        return written
