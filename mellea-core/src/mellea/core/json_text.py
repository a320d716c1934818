"""The one JSON value in a text that a model wrote.

Models put JSON into code blocks, say a sentence before it or after it, and reason before they answer. The
text is read once, from left to right, in linear time: brackets that open JSON are followed by a state
machine, all else is prose. What began as JSON and broke is never searched for smaller values: a piece of a
cut answer is no answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from mellea.core.errors import OutputParseError

__all__ = ["json_in", "read_json"]

_SHOWN = 60
"""Characters of an answer that an error quotes."""
_SPACE = " \t\r\n\ufeff"
_CUT = "Raise MAX_NEW_TOKENS if the answer was cut; otherwise ask again."
_AGAIN = "Ask again, or say in the prompt that the answer is one JSON value and nothing else."

_STRING = r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+'
_TOKEN = re.compile(
    rf"""[ \t\r\n]*+(?:
      (?P<string>{_STRING}")
    | (?P<scalar>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null|NaN|-?Infinity)
    | (?P<mark>[][{{}}:,])
    | (?P<unclosed>{_STRING}\Z)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_LANDMARK = re.compile(r"[\[{]|<(?P<closing>/?)(?P<tag>think|thinking|thought|reasoning)>", re.IGNORECASE)
_SKIPPED = re.compile(rf'{_STRING}"?|[\[{{]|[\]}}]')


def read_json(text: str, wanted: type[dict[str, Any] | list[Any]] | None = None) -> Any:
    """Return the one JSON value in a text.

    Args:
        text: What a model wrote.
        wanted: ``dict`` or ``list`` when only objects or only arrays count; others are prose, such as the
            mark ``[1]``.

    Raises:
        OutputParseError: There is no JSON value, or there are two that differ.
    """
    return json.loads(json_in(text, wanted))


def json_in(text: str, wanted: type[dict[str, Any] | list[Any]] | None = None) -> str:
    """Return the part of a text that is its one JSON value.

    Args:
        text: What a model wrote.
        wanted: ``dict`` or ``list`` when only objects or only arrays count; others are prose, such as the
            mark ``[1]``.

    Raises:
        OutputParseError: There is no JSON value, or there are two that differ.
    """
    whole = text.strip(_SPACE)
    if not whole:
        raise OutputParseError("The answer is empty where JSON was asked for.", hint=_CUT)
    if _value(whole) is not None:
        return whole
    search = _Search(whole)
    found = {_canonical(part): part for part in search.found}
    brackets = {dict: "{", list: "["}.get(wanted) if wanted is not None else None
    if fitting := {key: part for key, part in found.items() if brackets and part.startswith(brackets)}:
        found = fitting
    if not found and search.broken is None:
        found = {_canonical(part): part for part in _scalar_blocks(whole[search.begin :])}
    if len(found) > 1:
        first, second = list(found.values())[:2]
        raise OutputParseError(
            f"The answer holds {len(found)} different JSON values, such as {_quoted(first)} "
            f"and {_quoted(second)}.",
            hint=_AGAIN,
        )
    if not found:
        raise search.broken or _no_json(whole, search)
    return next(iter(found.values()))


def _value(text: str) -> str | None:
    """Return a text if it is one JSON value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return text


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _no_json(text: str, search: _Search) -> OutputParseError:
    rest = text[search.begin :].strip(_SPACE)
    if search.begin and not rest:
        return OutputParseError(
            "The answer is reasoning alone: nothing follows it.",
            hint="Raise MAX_NEW_TOKENS, or ask without THINKING.",
        )
    return OutputParseError(f"The answer holds no JSON; it begins with {_quoted(rest)}.", hint=_AGAIN)


def _scalar_blocks(text: str) -> Iterator[str]:
    """Iterate over the code blocks that are one JSON value; a number needs a block to count."""
    block: list[str] | None = None
    for line in text.splitlines():
        if not line.lstrip(" \t").startswith("```"):
            if block is not None:
                block.append(line)
        elif block is None:
            block = []
        else:
            inner = "\n".join(block).strip(_SPACE)
            block = None
            if _value(inner) is not None:
                yield inner


@define
class _Frame:
    """An array or object that is open: where it opened, what may come next, whether it looks like JSON."""

    start: int
    closing: str
    expects: str
    begun: bool = False


_AFTER_OPENING = {"[": ("]", "item or ]"), "{": ("}", "name or }")}
_NEXT = {
    ("name", "string"): ":",
    ("name or }", "string"): ":",
    (":", ":"): "value",
    (", or }", ","): "name",
    (", or ]", ","): "item",
}
_VALUE_PLACES = {"value": ", or }", "item": ", or ]", "item or ]": ", or ]"}
_WORDS = {
    "name": "the next name in quotes",
    "name or }": "a name in quotes",
    ":": "a colon after the name",
    ", or }": "a comma or }",
    ", or ]": "a comma or ]",
    "value": "a value",
    "item": "a value",
    "item or ]": "a value or ]",
}


@define
class _Search:
    """The arrays and objects that stand in a text by themselves.

    Args:
        text: The text.
    """

    text: str
    found: list[str] = field(init=False, factory=list)
    broken: OutputParseError | None = field(init=False, default=None)
    begin: int = field(init=False, default=0)
    """Where the answer begins, after what the model reasoned."""

    def __attrs_post_init__(self) -> None:
        place = 0
        while (landmark := _LANDMARK.search(self.text, place)) is not None:
            if not landmark["tag"]:
                place = self._follow(landmark.start())
                continue
            end = landmark.end()
            if not landmark["closing"]:
                end = self._end_of_reasoning(landmark)
                if end == len(self.text) and self.found:
                    return
            self.found.clear()
            self.broken, self.begin, place = None, end, end

    def _end_of_reasoning(self, opening: re.Match[str]) -> int:
        closing = re.compile(f"</{opening['tag']}>", re.IGNORECASE).search(self.text, opening.end())
        return closing.end() if closing else len(self.text)

    def _follow(self, start: int) -> int:
        """Follow what a bracket opens; return where to search on."""
        frames: list[_Frame] = []
        place = start
        while True:
            token = _TOKEN.match(self.text, place)
            kind = token.lastgroup if token else None
            if token is None or kind in ("end", "unclosed"):
                return self._fail(frames, place, cut=token is not None)
            mark = token["mark"] or ""
            if mark in _AFTER_OPENING:
                if not _opens(frames, mark, token.end() - 1):
                    return self._fail(frames, token.end() - 1)
            elif not _takes(frames[-1], mark or str(kind)):
                return self._fail(frames, place)
            elif mark == frames[-1].closing:
                frame = frames.pop()
                if not frames:
                    return self._close(frame.start, token.end())
                frames[-1].begun = True
            place = token.end()

    def _close(self, start: int, end: int) -> int:
        part = self.text[start:end]
        if _value(part) is not None:
            self.found.append(part)
        else:  # the one thing that the state machine lets pass and Python does not
            self.broken = OutputParseError(
                "The JSON in the answer is nested too deeply, or holds a number of thousands of digits.",
                hint=_AGAIN,
            )
        return end

    def _fail(self, frames: list[_Frame], place: int, *, cut: bool = False) -> int:
        """Note what broke, if it was JSON; return where to search on."""
        begun = any(frame.begun for frame in frames)
        if cut and (begun or not self.text[self.begin : frames[0].start].strip(_SPACE)):
            end = self.text[-_SHOWN:]
            self.broken = OutputParseError(
                f"The JSON in the answer ends before it is complete, with {end!r}.", hint=_CUT
            )
            return len(self.text)
        if not begun:
            return frames[-1].start + 1  # brackets of the prose
        wrong = self.text[place : place + _SHOWN].lstrip(_SPACE)
        self.broken = OutputParseError(
            f"The JSON in the answer is broken: {_WORDS[frames[-1].expects]} is missing "
            f"before {_quoted(wrong)}.",
            hint=_AGAIN,
        )
        depth = len(frames)
        for token in _SKIPPED.finditer(self.text, place):  # what stands inside of it does not count
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
            if depth <= 0:
                return token.end()
        return len(self.text)


def _opens(frames: list[_Frame], mark: str, start: int) -> bool:
    """Tell whether a bracket may come next, and open a frame for it."""
    if frames:
        after = _VALUE_PLACES.get(frames[-1].expects)
        if after is None:
            return False
        frames[-1].expects = after
    frames.append(_Frame(start, *_AFTER_OPENING[mark]))
    return True


def _takes(frame: _Frame, token: str) -> bool:
    """Tell whether a token that opens nothing may come next in a frame, and step over it."""
    if token == frame.closing:
        return token in frame.expects
    if token in ("string", "scalar") and frame.expects in _VALUE_PLACES:
        frame.expects = _VALUE_PLACES[frame.expects]
        return True
    following = _NEXT.get((frame.expects, token))
    if following is None:
        return False
    frame.begun = frame.begun or following != ":"
    frame.expects = following
    return True
