"""``mellea history``: what sessions did, read from the file in which they kept it."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import unicodedata
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import asdict

from mellea.core.response import Completion
from mellea.core.terminal import has_colours, in_signs_of, terminal_width, visible
from mellea.core.trace import as_html, duration, print_tree, write_text
from mellea.history import FoundText, History, RecordedCall, RecordedRequest, RecordedSession
from mellea.history.history import DEFAULT

__all__ = ["export", "list_calls", "search", "show"]

_WIDTH = 100
_SHORT_ID = 8
_MARKS = {"met": "✓", "not met": "✗", "error": "✗"}
_COLOURS = {"✓": "32", "✗": "31", "–": "2"}  # noqa: RUF001  a dash as a mark
_SIDES = "><<<>>"
"""To which side the cells of a listing stand."""
_BESIDE = 24
"""Characters of a text that are shown before a word that was searched for."""


def list_calls(arguments: Namespace) -> int:
    """List the newest calls, below their sessions."""
    history = _history(arguments)
    session = None if arguments.session is None else history.session(arguments.session).id
    calls = history.calls(session, arguments.limit)
    if arguments.json:
        _print_json([asdict(call) for call in calls])
        return 0
    _say(_listing(history, calls) or [f"There is no call in {history.path}."])
    return 0


def show(arguments: Namespace) -> int:
    """Show a call with its attempts, verdicts and requests, or a session with its calls."""
    history = _history(arguments)
    call = _call(history, arguments.id)
    if call is None:
        session = history.session(arguments.id)
        _say([*_listing(history, history.calls(session.id)), *_about(session)])
        return 0
    if arguments.html:
        return _write_page(history.trace(call.number), call, arguments.html)
    if arguments.json:
        _print_json(*history.export(call=call.number))
    else:
        _show_call(history, call, full=arguments.full)
    return 0


def _write_page(trace: Mapping[str, Any] | None, call: RecordedCall, path: str) -> int:
    if trace is None:
        print(f"Call {call.number} made no attempts: there is no page to write.", file=sys.stderr)
        return 1
    write_text(path, as_html(trace))
    print(f"Wrote {path}")
    return 0


def _show_call(history: History, call: RecordedCall, *, full: bool) -> None:
    _say(_head(call, None if call.session is None else history.session(call.session)))
    trace = history.trace(call.number)
    if trace is not None:
        print_tree(trace)
    elif call.answer is not None:
        _say(_indented(call.answer))
    if call.error is not None:
        _say([_coloured("✗", f"✗ {visible(call.error)}")])
    _say(["", *_requests(history.requests(call.number), call, full=full)])


def search(arguments: Namespace) -> int:
    """Show the prompts and answers in which words occur."""
    history = _history(arguments)
    words = " ".join(arguments.words)
    found = history.search(words, arguments.limit)
    if arguments.json:
        _print_json([asdict(each) for each in found])
    else:
        _say([_hit(each, words.split()) for each in found])
    if not found:
        print(f"Nothing in {history.path} has {words!r} in it.", file=sys.stderr)
    return 0 if found else 1


def export(arguments: Namespace) -> int:
    """Print the calls with everything that is known of them, the oldest first, as JSON or JSON lines."""
    history = _history(arguments)
    session = None if arguments.session is None else history.session(arguments.session).id
    told = history.export(session)
    if arguments.jsonl:
        for call in told:
            _print_json(call, indent=None)
        return 0
    separator = "["
    for call in told:
        print(separator)
        _print_json(call, end="")
        separator = ","
    print("[]" if separator == "[" else "\n]")
    return 0


def _history(arguments: Namespace) -> History:
    return History(arguments.db or os.environ.get("MELLEA_HISTORY") or DEFAULT)


def _call(history: History, id: str) -> RecordedCall | None:
    """Return the call that an id names; None for one of a session."""
    if not id.isdecimal() or len(id) >= _SHORT_ID:
        return None
    return history.call(int(id))


# A listing


def _listing(history: History, calls: Sequence[RecordedCall]) -> list[str]:
    lines: list[str] = []
    width = terminal_width(sys.stdout, _WIDTH)
    for uid, group in itertools.groupby(calls, lambda call: call.session):
        if lines:
            lines.append("")
        lines.append(_dim(_title(None if uid is None else history.session(uid))))
        rows = list(group)
        cells = [_cells(call) for call in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for call, row in zip(rows, cells, strict=True):
            mark = _mark(call)
            start = "  ".join(
                f"{cell:{side}{size}}" for cell, side, size in zip(row, _SIDES, widths, strict=True)
            )
            room = width - len(start) - 6
            lines.append(f"  {_coloured(mark, mark)} {start}  {_cut(call.asked or '', room)}".rstrip())
    return lines


def _title(session: RecordedSession | None) -> str:
    if session is None:
        return "outside of a session"
    where = f"{session.backend} ({session.model})"
    parts = [f"session {session.id[:_SHORT_ID]}", _moment(session.started), where, session.program or ""]
    return visible(" · ".join(filter(None, parts)))


def _cells(call: RecordedCall) -> tuple[str, ...]:
    return (
        str(call.number),
        datetime.fromtimestamp(call.started).strftime("%H:%M:%S"),
        call.outcome or "never ended",
        _count(call.attempts, "attempt") if call.attempts else "",
        _count(call.total_tokens, "token"),
        "" if call.seconds is None else duration(call.seconds),
    )


def _about(session: RecordedSession) -> Iterator[str]:
    ended = "never closed" if session.ended is None else f"closed {_moment(session.ended)}"
    yield ""
    yield visible(f"{_count(session.calls, 'call')}, {ended}; process {session.process} on {session.host}")
    if session.error is not None:
        yield _coloured("✗", f"✗ {visible(session.error)}")


# A call


def _head(call: RecordedCall, session: RecordedSession | None) -> Iterator[str]:
    took = "" if call.seconds is None else f" in {duration(call.seconds)}"
    when = datetime.fromtimestamp(call.started).strftime("%Y-%m-%d %H:%M:%S")
    yield _bold(f"call {call.number} · {call.outcome or 'never ended'}{took} · {when}")
    yield _dim(_title(session))
    if call.strategy:
        yield _dim(visible(call.strategy))
    yield ""
    yield from _indented(call.asked or "", "")
    yield ""


def _requests(requests: Sequence[RecordedRequest], call: RecordedCall, *, full: bool) -> Iterator[str]:
    read, written = call.prompt_tokens, call.completion_tokens
    yield _dim(f"{_count(len(requests), 'request')}: {_count(read, 'token')} read, {written} written")
    for number, each in enumerate(requests, 1):
        sample = "" if each.sample is None else f", key {each.key[:12]}, sample {each.sample}"
        spent = f"{each.usage.prompt_tokens} + {each.usage.completion_tokens} tokens"
        where = visible(f"{each.provider} ({each.model})")
        yield f"  {number}. {where}: {duration(each.seconds)}, {spent}{sample}"
        if each.error is not None:
            said = visible(f"{each.error['type']}: {each.error['message']}")
            yield _coloured("✗", f"     ✗ {said}")
        if full:
            yield from _told(each)


def _told(request: RecordedRequest) -> Iterator[str]:
    """Yield what was sent and what came back, in full."""
    sent = [(one["role"], one["content"]) for one in request.request.get("messages", ())]
    sent += [("prompt", text) for text in request.request.get("prompts", ())]
    for role, text in sent:
        yield _dim(f"     {visible(role)}")
        yield from _indented(text, "       ")
    for answer in request.answer or ():
        yield _dim("     answer")
        thinking = "" if isinstance(answer, Completion) else answer.thinking
        yield from (_dim(line) for line in _indented(thinking, "       "))
        yield from _indented(answer.text, "       ")
        for call in () if isinstance(answer, Completion) else answer.tool_calls:
            yield visible(f"       {call.name} {json.dumps(call.arguments, ensure_ascii=False)}")


# What was found


def _hit(found: FoundText, words: Sequence[str]) -> str:
    number = "" if found.call is None else str(found.call)
    when = "" if found.started is None else _moment(found.started)
    start = f"{number:>5}  {when:<16}  {visible(found.role):<9}  "
    room = terminal_width(sys.stdout, _WIDTH) - len(start) - 1
    return f"{_dim(start)}{_marked(_around(found.text, words, room), words)}"


def _around(text: str, words: Sequence[str], room: int) -> str:
    """Return the part of a text in which the first of some words stands, in one line."""
    line = visible(" ".join(text.split()))
    place = min((hit.start() for word in words if (hit := _pattern(word).search(line))), default=0)
    begin = 0 if len(line) <= room or place <= _BESIDE else place - _BESIDE
    return _cut(f"…{line[begin:]}" if begin else line, room)


def _marked(line: str, words: Sequence[str]) -> str:
    if has_colours(sys.stdout):
        for word in words:
            line = _pattern(word).sub(lambda hit: f"\033[1;36m{hit[0]}\033[0m", line)
    return line


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(re.escape(word.rstrip("*")), re.IGNORECASE)


# Lines


def _print_json(value: object, *, indent: int | None = 2, end: str = "\n") -> None:
    print(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"), end=end)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(in_signs_of(sys.stdout, line))


def _indented(text: str, margin: str = "  ") -> Iterator[str]:
    return (f"{margin}{line}".rstrip() for line in visible(text, lines=True).splitlines())


def _cut(text: str, room: int) -> str:
    """Return a text in one line of no more columns."""
    line = visible(" ".join(text.split()))
    ends = list(itertools.accumulate(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line))
    if not ends or ends[-1] <= room:
        return line
    return f"{line[: sum(end < room for end in ends)]}…"


def _mark(call: RecordedCall) -> str:
    return _MARKS.get(call.outcome or "", "–")  # noqa: RUF001  a dash as a mark


def _coloured(mark: str, text: str) -> str:
    return f"\033[{_COLOURS[mark]}m{text}\033[0m" if has_colours(sys.stdout) else text


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if has_colours(sys.stdout) else text


def _dim(text: str) -> str:
    return f"\033[2m{text}\033[0m" if has_colours(sys.stdout) else text


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
