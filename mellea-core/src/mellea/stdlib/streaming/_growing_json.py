"""JSON that is read while it grows: each character once, each complete part made into its type once.

A value so far shares its complete parts with the one before; only the containers that are still open are
copied.
"""

from __future__ import annotations

import json
import re
from typing import Any

from mellea.stdlib.streaming._partial_types import (
    NOTHING,
    Plan,
    constructed,
    field_keys,
    first_key,
    partial_entry,
    partial_field,
    plan_of,
)

__all__ = ["GrowingJson"]

_DEEPEST = 200
"""Containers within containers, as many as pydantic reads."""
_SPACE = re.compile(r"[ \t\r\n]*+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_NUMBER_SO_FAR = re.compile(r"[-+.0-9eE]*+")
_WORDS = {"true": True, "false": False, "null": None, "NaN": float("nan"), "Infinity": float("inf")}
_WORDS["-Infinity"] = -float("inf")
_WORD = re.compile("|".join(_WORDS))
_CHARACTERS = re.compile(r'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_ESCAPE_SO_FAR = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_HALF = re.compile("[\ud800-\udfff]")


class _NoJSONError(Exception):
    """The text is no JSON."""


class _Container:
    """A container that is still open, and its complete parts."""

    def __init__(self, *, is_object: bool, plan: Plan | None) -> None:
        self.is_object = is_object
        self.plan = plan if plan is not None and is_object == (plan.kind != "list") else None
        self.parts: Any = {} if is_object else []
        self.typed: Any = {} if is_object else []  # of a class by field and key, else as in `parts`
        self.key: str | None = None

    def inner_plan(self) -> Plan | None:
        """Return the plan of a container that is about to be opened in this one."""
        if self.plan is None:
            return None
        if self.plan.kind != "model":
            return plan_of(self.plan.of)
        names = self._names(self.key)
        return plan_of(self.plan.of.model_fields[names[0]].annotation) if len(names) == 1 else None

    def add(self, value: Any) -> None:
        """Take a complete part."""
        if self.is_object:
            self.parts[self.key] = value
        else:
            self.parts.append(value)
        if self.plan is not None:
            self._add_typed(self.plan, value)
        self.key = None

    def _add_typed(self, plan: Plan, value: Any) -> None:
        if plan.kind == "model":
            for name in self._names(self.key):
                self.typed[name, self.key] = partial_field(plan.of, name, value)
            return
        entry = partial_entry(plan.of, value)
        if plan.kind == "list":
            self.typed += [] if entry is NOTHING else [entry]
        elif entry is NOTHING:
            self.typed.pop(self.key, None)
        else:
            self.typed[self.key] = entry

    def _names(self, key: str | None) -> list[str]:
        assert self.plan is not None, "only a class has fields"  # noqa: S101  the callers have looked
        return [name for name, keys in field_keys(self.plan.of).items() if key in keys]

    def with_part(self, part: Any) -> Any:
        """Return the JSON so far, with an incomplete part at its end."""
        whole = self.parts.copy()
        if part is not NOTHING:
            if self.is_object:
                whole[self.key] = part
            else:
                whole.append(part)
        return whole

    def typed_with_part(self, whole: Any, part: Any, grown: Any) -> Any:
        """Return the typed value so far; ``NOTHING`` where only the whole can be valid.

        Args:
            whole: The JSON so far.
            part: The JSON of the incomplete part.
            grown: What was made of that part already, if anything was.
        """
        plan = self.plan
        if plan is None:
            return NOTHING
        if plan.kind == "model":
            come = {}
            for name, keys in field_keys(plan.of).items():
                key = first_key(keys, whole)
                if key is not None:
                    is_part = part is not NOTHING and key == self.key
                    come[name] = (
                        partial_field(plan.of, name, part, grown) if is_part else self.typed[name, key]
                    )
            return plan.finished(constructed(plan.of, come))
        typed = self.typed.copy()
        entry = NOTHING if part is NOTHING else partial_entry(plan.of, part, grown)
        if entry is not NOTHING:
            if self.is_object:
                typed[self.key] = entry
            else:
                typed.append(entry)
        return plan.finished(typed)


class GrowingJson:
    """Reads a text that grows.

    Args:
        annotation: A pydantic class that the JSON describes; None for plain JSON.
    """

    def __init__(self, annotation: Any = None) -> None:
        self._plan = None if annotation is None else plan_of(annotation)
        self._position = 0
        self._tail = ""
        self._open: list[_Container] = []
        self._root: Any = NOTHING
        self._string: int | None = None  # where the string that is being read begins
        self._scanned = 0
        self._wants = "value"
        self._broken = False

    def feed(self, text: str) -> bool:
        """Read what has come, and tell whether the text can still be JSON.

        Args:
            text: The whole text so far.
        """
        if not self._broken:
            try:
                self._read(text)
            except (_NoJSONError, ValueError):
                self._broken = True
        return not self._broken

    def goes_on(self, text: str) -> bool:
        """Tell whether a text begins with the one that was read."""
        return len(text) >= self._position and text.endswith(self._tail, 0, self._position)

    def value(self, text: str) -> tuple[Any, Any]:
        """Return the JSON so far, and the typed value so far; ``NOTHING`` for what there is none of."""
        part = NOTHING
        if self._string is not None and self._wants == "value":
            part = _unescaped(text[self._string : self._scanned], is_whole=False)
        grown: Any = NOTHING
        for container in reversed(self._open):
            whole = container.with_part(part)
            grown = container.typed_with_part(whole, part, grown)
            part = whole
        return (part if self._open or part is not NOTHING else self._root), grown

    def _read(self, text: str) -> None:
        while True:
            if self._string is not None and not self._read_string(text):
                break
            self._position = _end(_SPACE, text, self._position)
            if self._position == len(text) or not self._read_token(text):
                break
        self._tail = text[max(0, self._position - 16) : self._position]

    def _read_string(self, text: str) -> bool:
        """Go on with a string, and tell whether it is complete."""
        assert self._string is not None, "a string is open"  # noqa: S101  the caller has looked
        self._scanned = end = _end(_CHARACTERS, text, self._scanned)
        if end == len(text) or _ESCAPE_SO_FAR.fullmatch(text, end):
            return False
        if text[end] != '"':
            raise _NoJSONError
        string = _unescaped(text[self._string : end], is_whole=True)
        self._string, self._position = None, end + 1
        if self._wants == "value":
            self._take(string)
        else:
            self._open[-1].key, self._wants = string, ":"
        return True

    def _read_token(self, text: str) -> bool:
        """Read one token, and tell whether it was there as a whole."""
        sign, wants = text[self._position], self._wants
        top = self._open[-1] if self._open else None
        if wants == "nothing":
            raise _NoJSONError
        if sign == '"' and wants in ("value", "key"):
            self._position += 1
            self._string = self._scanned = self._position
        elif sign in "[{" and wants == "value":
            self._open_container(is_object=sign == "{")
        elif sign in "]}" and top is not None and self._may_close(top, sign):
            self._position += 1
            self._open.pop()
            self._take(top.parts)
        elif (sign, wants) == (":", ":"):
            self._position, self._wants = self._position + 1, "value"
        elif (sign, wants) == (",", ",") and top is not None:
            self._position += 1
            self._wants = "key" if top.is_object else "value"
        elif wants == "value":
            return self._read_scalar(text)
        else:
            raise _NoJSONError
        return True

    def _may_close(self, top: _Container, sign: str) -> bool:
        if top.is_object != (sign == "}"):
            return False
        empty = not top.parts and top.key is None
        return self._wants == "," or (empty and self._wants == ("key" if top.is_object else "value"))

    def _open_container(self, *, is_object: bool) -> None:
        plan = self._open[-1].inner_plan() if self._open else self._plan
        if len(self._open) == _DEEPEST:
            raise _NoJSONError
        self._open.append(_Container(is_object=is_object, plan=plan))
        self._position += 1
        self._wants = "key" if is_object else "value"

    def _read_scalar(self, text: str) -> bool:
        if word := _WORD.match(text, self._position):
            self._position = word.end()
            self._take(_WORDS[word[0]])
            return True
        end = _end(_NUMBER_SO_FAR, text, self._position)
        if end == len(text) or any(name.startswith(text[self._position :]) for name in _WORDS):
            return False  # it may go on
        if (number := _NUMBER.fullmatch(text, self._position, end)) is None:
            raise _NoJSONError
        self._position = end
        self._take(json.loads(number[0]))
        return True

    def _take(self, value: Any) -> None:
        """Put a complete value where it belongs."""
        if self._open:
            self._open[-1].add(value)
            self._wants = ","
        else:
            self._root, self._wants = value, "nothing"


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def _unescaped(written: str, *, is_whole: bool) -> str:
    if "\\" not in written:
        return written
    text: str = json.loads(f'"{written}"')
    half = _HALF.search(text)
    if half is not None and is_whole:
        raise _NoJSONError
    return text if half is None else text[: half.start()]  # the other half may follow
