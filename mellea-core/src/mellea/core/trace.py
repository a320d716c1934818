"""Attempts as a person reads them: a tree in the terminal, one self-contained page in the browser.

Both are made from the JSON values of ``SamplingResult.to_dict``, so that a stored trace looks like a fresh
result.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import textwrap
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.pages import page_template
from mellea.core.terminal import Writable, has_colours, print_to, terminal_width, visible

__all__ = ["as_html", "as_tree", "duration", "print_tree", "read_trace", "write_text"]

_WIDTH = 100
_TOO_LARGE = 10**15
"""No count and no time in seconds is as large as this."""
_NUMBER = (int, float)
_TEXT_OR_NONE = (str, type(None))
_TRACE: dict[str, Any] = {"success": bool, "result_index": int, "why": str, "attempts": list}
_ATTEMPT: dict[str, Any] = {
    "success": bool,
    "text": str,
    "error": _TEXT_OR_NONE,
    "lane": int,
    "round": int,
    "seconds": _NUMBER,
    "usage": dict,
    "fixed_by": _TEXT_OR_NONE,
    "requirements": list,
}
_OPTIONAL: dict[str, Any] = {  # those of an attempt that older traces do not have
    "model": _TEXT_OR_NONE,
    "started": _TEXT_OR_NONE,
    "strategy": _TEXT_OR_NONE,
    "feedback": _TEXT_OR_NONE,
    "seed": (int, type(None)),
    "options": (dict, type(None)),
    "prompt": (list, type(None)),
    "faults": list,
    "calls": list,
}
_MESSAGE: dict[str, Any] = {"role": str, "content": str}
_CALL: dict[str, Any] = {"tool": str, "result": str, "failed": bool, "seconds": _NUMBER}
_REQUIREMENT: dict[str, Any] = {
    "requirement": str,
    "met": bool,
    "reason": _TEXT_OR_NONE,
    "score": (*_NUMBER, type(None)),
    "skipped": bool,
    "seconds": _NUMBER,
    "tokens": int,
}
_TOLD_OF_JUDGES: dict[str, Any] = {"probability": _NUMBER, "basis": str, "trust": str}
_COLOURS = {
    re.compile(r"^([├└│─ ]*)(✓)(?= )"): "32",
    re.compile(r"^([├└│─ ]*)(✗)(?= )"): "31",
    re.compile(r"^([├└│─ ]*)(–)(?= )"): "2",  # noqa: RUF001  a dash as a mark
    re.compile(r"()(\[[^\[\]]* (?:ms|s|tokens)\])$"): "2",
    re.compile(r"()(← chosen)$"): "1;36",
}


def as_tree(trace: Mapping[str, Any], width: int = _WIDTH + 4) -> str:
    """Return the attempts of a trace as a tree of text.

    Each requirement with its verdict, reason, time and tokens.

    Args:
        trace: What ``SamplingResult.to_dict`` gives.
        width: The longest line.
    """
    attempts = trace["attempts"]
    lanes = _has_lanes(trace)
    spent = sum(_tokens(attempt) for attempt in attempts)
    number = f"{len(attempts)} attempt{'' if len(attempts) == 1 else 's'}"
    lines = [visible(f"{_mark(trace['success'])} {number}, {spent} tokens: {trace['why']}")]
    for index, attempt in enumerate(attempts):
        last = index + 1 == len(attempts)
        title = _attempt_head(index, attempt, lanes=lanes, chosen=index == trace["result_index"])
        lines.append(f"{'└─' if last else '├─'} {visible(title)}")
        lines += [f"{'   ' if last else '│  '}{line}" for line in _attempt_lines(attempt, width - 4)]
    return "\n".join(lines)


def print_tree(trace: Mapping[str, Any], file: Writable | None = None) -> None:
    """Write the tree of a trace, in signs that the file can show: as wide as its terminal, in colours.

    Args:
        trace: What ``SamplingResult.to_dict`` gives.
        file: Where to; by default the standard output.
    """
    target = sys.stdout if file is None else file
    tree = as_tree(trace, terminal_width(target, _WIDTH + 4))
    if has_colours(target):
        tree = "\n".join(map(_coloured, tree.splitlines()))
    print_to(target, tree)


def _coloured(line: str) -> str:
    """Return a line of the tree with its mark in green or red, and what it took in grey."""
    for pattern, colour in _COLOURS.items():
        line = pattern.sub(rf"\1\033[{colour}m\2\033[0m", line)
    return line


def _tokens(attempt: Mapping[str, Any]) -> int:
    return int(attempt["usage"].get("total_tokens") or 0)


def _mark(met: bool, skipped: bool = False) -> str:
    return "–" if skipped else "✓" if met else "✗"  # noqa: RUF001  a dash as a mark


def _has_lanes(trace: Mapping[str, Any]) -> bool:
    """Return whether attempts ran side by side, so that it matters where each was made."""
    return any(attempt["lane"] for attempt in trace["attempts"])


def duration(seconds: float) -> str:
    """Return a time as a person reads it."""
    return (
        f"{seconds:.2f} s"
        if seconds >= 1
        else f"{seconds * 1000:.0f} ms"
        if seconds >= 0.001
        else "under 1 ms"
    )


def _attempt_head(index: int, attempt: Mapping[str, Any], *, lanes: bool, chosen: bool) -> str:
    where = f" lane {attempt['lane'] + 1}, round {attempt['round'] + 1}," if lanes else ""
    fixed = f", mended by {attempt['fixed_by']!r}" if attempt["fixed_by"] else ""
    spent = f"{duration(attempt['seconds'])}, {_tokens(attempt)} tokens"
    mark = "–" if attempt.get("calls") else _mark(attempt["success"])  # noqa: RUF001  a dash as a mark
    return f"{mark} attempt {index + 1}:{where} {spent}{fixed}{'  ← chosen' if chosen else ''}"


def _attempt_lines(attempt: Mapping[str, Any], width: int) -> Iterator[str]:
    calls = attempt.get("calls") or ()
    yield from _wrap(attempt["text"], width, max_lines=3) or ([] if calls else ["(no text)"])
    yield from (line for call in calls for line in _wrap(_call_line(call), width, max_lines=3))
    if attempt["error"]:
        yield from _wrap(f"✗ cannot be read: {attempt['error']}", width, max_lines=3)
    yield from (
        line for requirement in attempt["requirements"] for line in _wrap(_check_line(requirement), width)
    )
    for fault in attempt.get("faults", ()):
        yield from _wrap(f"– {fault}", width)  # noqa: RUF001  a dash as a mark


def _call_line(call: Mapping[str, Any]) -> str:
    given = json.dumps(call.get("arguments"), ensure_ascii=False)
    said = f"{call['tool']} {given}: {call['result']}"
    return f"{_mark(not call['failed'])} {said} [{duration(call['seconds'])}]"


def _check_line(requirement: Mapping[str, Any]) -> str:
    name = requirement["requirement"]
    reason = requirement["reason"]
    said = f"{name.rstrip('.:')}: {reason}" if reason else name
    score = f"score {requirement['score']:g}, " if requirement["score"] is not None else ""
    tokens = f", {requirement['tokens']} tokens" if requirement["tokens"] else ""
    steered = "steered, " if requirement.get("steering") == "steered" else ""
    trust = _trust_line(requirement)
    score = score if not trust else ""
    spent = f" [{steered}{trust}{score}{duration(requirement['seconds'])}{tokens}]"
    spent = "" if requirement["skipped"] else spent
    return f"{_mark(requirement['met'], requirement['skipped'])} {said}{spent}"


def _trust_line(requirement: Mapping[str, Any]) -> str:
    """Return how a judge's verdict was had, and what it is worth; nothing where nobody asked for that."""
    told = [requirement.get("basis"), requirement.get("trust")]
    if (probability := requirement.get("probability")) is not None:
        told.insert(1, f"yes {probability:.2f}")
    return "".join(f"{one}, " for one in told if one)


def _wrap(text: str, width: int, max_lines: int | None = None) -> list[str]:
    line = visible(" ".join(text.split()))
    return textwrap.wrap(
        line, width, subsequent_indent="" if max_lines else "    ", max_lines=max_lines, placeholder=" …"
    )


def as_html(trace: Mapping[str, Any]) -> str:
    """Return the attempts of a trace as one HTML page that needs nothing else.

    No script, no font, no network.

    Args:
        trace: What ``SamplingResult.to_dict`` gives.
    """
    spent = sum(_tokens(attempt) for attempt in trace["attempts"])
    in_json = functools.partial(json.dumps, indent=2, ensure_ascii=False)
    page = page_template("attempts.html.jinja2").render(
        trace=trace, tokens=spent, lanes=_has_lanes(trace), time=duration, in_json=in_json
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate is no text that a file can hold


def read_trace(text: str, name: str = "the text") -> dict[str, Any]:
    """Return the trace that ``SamplingResult.to_json`` wrote.

    Args:
        text: The JSON text.
        name: What to call it in errors, such as the file's name.

    Raises:
        UsageError: It is no JSON, or no trace.
    """
    try:
        trace = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} is not JSON: {error}.", hint="Write the file with result.save(path)."
        ) from error
    if wrong := next(_wrong_parts(trace), None):
        raise UsageError(
            f"{name} is no trace of attempts: {wrong}.", hint="Write the file with result.save(path)."
        )
    checked: dict[str, Any] = trace
    return checked


def _wrong_parts(trace: Any) -> Iterator[str]:
    """Iterate over what keeps a value from being a trace."""
    yield from _wrong_fields("it", trace, _TRACE)
    for number, attempt in enumerate(trace["attempts"]):
        where = f"attempts[{number}]"
        yield from _wrong_fields(where, attempt, _ATTEMPT)
        there = {key: kinds for key, kinds in _OPTIONAL.items() if key in attempt}
        yield from _wrong_fields(where, attempt, there)
        total = {"total_tokens": (int, type(None))} if "total_tokens" in attempt["usage"] else {}
        yield from _wrong_fields(f"{where}.usage", attempt["usage"], total)
        for position, message in enumerate(attempt.get("prompt") or ()):
            yield from _wrong_fields(f"{where}.prompt[{position}]", message, _MESSAGE)
        for position, call in enumerate(attempt.get("calls") or ()):
            yield from _wrong_fields(f"{where}.calls[{position}]", call, _CALL)
        for position, requirement in enumerate(attempt["requirements"]):
            there = {key: kinds for key, kinds in _TOLD_OF_JUDGES.items() if key in requirement}
            yield from _wrong_fields(
                f"attempts[{number}].requirements[{position}]", requirement, {**_REQUIREMENT, **there}
            )
    if not 0 <= trace["result_index"] < len(trace["attempts"]):
        yield f"there is no attempt number {trace['result_index']}"


def _wrong_fields(where: str, value: Any, fields: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {_json_kind(value)} instead of an object"
        return
    for key, kinds in fields.items():
        if key not in value:
            yield f"{where} has no {key!r}"
        elif not isinstance(value[key], kinds) or (isinstance(value[key], bool) and kinds is not bool):
            yield f"{where} has {_json_kind(value[key])} as {key!r}"
        elif _is_too_large(key, value[key]):
            yield f"{where} has a number that is too large as {key!r}"


def _is_too_large(key: str, value: Any) -> bool:
    if key == "seed" or not isinstance(value, int | float):
        return False
    may_be_infinite = key == "score" and isinstance(value, float)
    return not may_be_infinite and not abs(value) < _TOO_LARGE  # what is not a number is not less


def _json_kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file as a whole or not at all: whoever reads it meanwhile sees the old one.

    Raises:
        UsageError: It cannot be written there.
    """
    target = Path(path)
    part = target.with_name(f".{target.name[:80]}.{uuid.uuid4().hex}")
    try:
        part.write_text(
            text, encoding="utf-8", errors="replace"
        )  # a lone surrogate is no text that a file can hold
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"{target} cannot be written: {error.strerror or error}.",
            hint="Choose a folder that exists and that you may write to.",
        ) from error
