"""What a provider says when it fails, whatever it puts around its words.

Providers write errors as ``{"error": {"message": ..., "code": ...}}``, as plain text under ``error`` or
``detail``, as a list of what a validator found, as a page of a proxy; servers in front of servers put the
JSON of the one into the message of the other.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

__all__ = ["ProviderWords", "error_of_answer", "provider_words"]

_MOST = 500
"""Characters of a provider's words that an error repeats."""
_READ = 100_000
"""Characters of a body that are looked at."""
_DEPTH = 2
"""How many messages within messages are opened."""

_CODES = (
    "code",
    "type",
    "status",
    "error_code",
    "errorCode",
    "error_type",
    "reason",
    "__type",
    "status_code",
)
_WORDS = (
    "message",
    "detail",
    "msg",
    "error_description",
    "description",
    "title",
    "error_message",
    "errorMessage",
)
_TOLD = {*_WORDS, *_CODES, "param", "path", "request_id", "timestamp"}
"""What an error without its frame has."""
_PAGE = r"(?i)\s{0,100}<(?:!doctype|html|head|body|\?xml)\b"
_TITLE = r"(?i)<(?:title|h1)\b[^>]{0,200}>([^<]{1,300})<"
_TAG = r"<[^<>]{0,500}>"
_RETRY = r"(?i)(?:retry|again) (?:in|after) (?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?) ?(ms|s\b|sec))?"
_UNPRINTED = r"\x1b\[[0-9;?]{0,20}[A-Za-z]|[^\x20-\x7e\xa0-\u200d\u2010-\u2027\u202f-\U0010ffff]+"
# Compiled when a provider first fails, which most processes never see.


@frozen
class ProviderWords:
    """What a provider says of a failure.

    Args:
        text: Its words in one line, bounded in length; empty if it says nothing.
        codes: Its names of the failure, in lower case, the innermost first.
        status: The HTTP status that the body names, which may be another one than that of the answer.
        prompt_tokens: Tokens of the prompt, if it says how many.
        window: Tokens that there is room for, if it says how many.
        retry_after: Seconds after which it asks to be tried again.
        is_page: Whether it is a page for people.
    """

    text: str = ""
    codes: tuple[str, ...] = ()
    status: int | None = None
    prompt_tokens: int | None = None
    window: int | None = None
    retry_after: float | None = None
    is_page: bool = False


OBJECT = (dict, Mapping)
"""What an object of JSON is read as; the usual first, since a protocol is slow to ask."""


def error_of_answer(body: Any) -> Any:
    """Return the error that a body holds which came with a status of success; None if it holds none."""
    if not isinstance(body, OBJECT):
        return None
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list | Sequence) and not isinstance(choices, str) else ():
        if isinstance(choice, OBJECT) and (error := _error_of_choice(choice)):
            return error
    named = body.get("error") or "error" in (body.get("object"), body.get("type"))
    return body if not choices and (named or _only_tells(body)) else None


def _error_of_choice(choice: Mapping[str, Any]) -> Any:
    particular = choice.get("provider_specific_fields")  # where LiteLLM keeps what it does not know
    kept = particular if particular and isinstance(particular, OBJECT) else {}
    named = "error" in (choice.get("finish_reason"), kept.get("native_finish_reason"))
    return choice.get("error") or kept.get("error") or ("The answer ended with an error." if named else None)


def _only_tells(body: Mapping[str, Any]) -> bool:
    """Tell whether a body holds words, and beside them at most codes: an error without its frame."""
    return body.keys() <= _TOLD and any(isinstance(body.get(name), str) for name in _WORDS)


def provider_words(body: Any) -> ProviderWords:
    """Return what a provider says in the body of an error.

    Args:
        body: Text, bytes, or the JSON values that were read from it.
    """
    words = _read(body, _DEPTH)
    text = _in_one_line(words.text or next(iter(words.codes), ""))
    minutes, number, unit = found.groups() if (found := re.search(_RETRY, text)) else (None, None, None)
    if words.retry_after is None and (minutes or number):
        seconds = float(number or 0) * (0.001 if unit == "ms" else 1)
        words = evolve(words, retry_after=60 * int(minutes or 0) + seconds)
    return evolve(words, text=text)


def _in_one_line(text: str) -> str:
    line = " ".join(re.sub(_UNPRINTED, " ", text[:_READ]).split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 101]} … {line[-98:]}"


def _read(body: Any, depth: int) -> ProviderWords:
    if isinstance(body, bytes | bytearray):
        body = bytes(body[:_READ]).decode("utf-8", "replace")
    if isinstance(body, str):
        return _read_text(body[:_READ].strip(), depth)
    if isinstance(body, Mapping):
        return _read_mapping(body, depth)
    if isinstance(body, Sequence):
        return _read_list(body, depth)
    return ProviderWords("" if body is None or isinstance(body, bool) else str(body)[:_READ])


def _read_text(text: str, depth: int) -> ProviderWords:
    if re.match(_PAGE, text):
        title = re.search(_TITLE, text)
        said = " ".join(title[1].split()) if title else " ".join(re.sub(_TAG, " ", text[:5000]).split())[:120]
        return ProviderWords(
            f"a page instead of JSON, {said!r}" if said else "an empty page instead of JSON", is_page=True
        )
    inner = _json_within(text) if depth >= 0 else None
    if inner is not None:
        words = _read(inner, depth - 1)
        if words.text or words.codes:
            return words
    return ProviderWords(text)


def _json_within(text: str) -> Any:
    """Return the JSON object or list that a text is, or that stands in it behind a frame of words."""
    start = min((place for place in (text.find("{"), text.find("[{")) if place >= 0), default=-1)
    if start < 0:
        return None
    part = text[start:]
    try:
        value = json.JSONDecoder().raw_decode(part)[0]
    except (ValueError, RecursionError):
        if len(part) > 5000 or "'" not in part:
            return None
        try:
            value = ast.literal_eval(part[: part.rindex("}") + 1])  # as Python shows a dict
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    return value if isinstance(value, Mapping | list) else None


def _read_list(items: Sequence[Any], depth: int) -> ProviderWords:
    """Read several errors, each as a text, as an object, or as pydantic tells what is wrong."""
    read = [_read_entry(item, depth) for item in items[:20]]
    text = "; ".join(dict.fromkeys(words.text for words in read if words.text))
    return _joined(text, read)


def _read_entry(item: Any, depth: int) -> ProviderWords:
    if not (isinstance(item, Mapping) and isinstance(item.get("msg"), str)):
        return _read(item, depth)
    place = item.get("loc")
    where = (
        ".".join(map(str, place))
        if isinstance(place, Sequence) and not isinstance(place, str)
        else str(place or "")
    )
    return ProviderWords(f"{where}: {item['msg']}" if where else item["msg"])


def _read_mapping(body: Mapping[str, Any], depth: int) -> ProviderWords:
    inner = [
        _read(body[name], depth)
        for name in ("error", "errors", "detail", "details", "innererror")
        if isinstance(body.get(name), Mapping | list)
    ]
    told = body["metadata"].get("raw") if isinstance(body.get("metadata"), Mapping) else None
    said = [_read(told, depth)] if isinstance(told, str) else []  # what OpenRouter was told by whom it asked
    said += [_read(body[name], depth) for name in _WORDS if isinstance(body.get(name), str | Mapping)]
    named = body.get("error")
    if isinstance(named, str):
        words = _read(named, depth)
        if said and re.fullmatch(r"[\w.-]+", named):
            words = evolve(words, text="", codes=(named.lower(), *words.codes))
        said.insert(0, words)
    text = next((words.text for words in [*said, *inner] if words.text and not words.is_page), "")
    own = ProviderWords(
        codes=tuple(
            str(body[name]).lower()
            for name in _CODES
            if isinstance(body.get(name), str) and not _status(body[name])
        ),
        status=next((status for name in _CODES if (status := _status(body.get(name)))), None),
        retry_after=_seconds(body.get("retryDelay") or body.get("retry_after") or body.get("estimated_time")),
        prompt_tokens=_count(body, "n_prompt_tokens", "prompt_tokens"),
        window=_count(body, "n_ctx", "context_window", "max_context_length"),
    )
    return _joined(text, [*inner, *said, own])


def _joined(text: str, parts: Iterable[ProviderWords]) -> ProviderWords:
    """Return one for all: every code, and of the rest what is said first."""
    parts = list(parts)

    def first(name: str) -> Any:
        return next((value for part in parts if (value := getattr(part, name)) is not None), None)

    return ProviderWords(
        text,
        tuple(dict.fromkeys(code for part in parts for code in part.codes)),
        first("status"),
        first("prompt_tokens"),
        first("window"),
        first("retry_after"),
        any(part.is_page for part in parts),
    )


def _status(value: Any) -> int | None:
    """Return an HTTP status given as a number or in digits."""
    if isinstance(value, str) and re.fullmatch(r"[1-5]\d\d", value):
        value = int(value)
    return value if type(value) is int and 300 <= value <= 599 else None


def _count(body: Mapping[str, Any], *names: str) -> int | None:
    return next((body[name] for name in names if type(body.get(name)) is int and body[name] > 0), None)


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s?", value.strip())
        return float(found[1]) if found else None
    return float(value) if type(value) in (int, float) and 0 <= value < 1e9 else None
