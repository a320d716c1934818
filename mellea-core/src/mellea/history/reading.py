"""Reading a history: each function is one question to an open file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import asdict

from mellea.core.answer_json import answer_to_json, chunk_from_json, completion_from_json
from mellea.core.errors import UsageError
from mellea.core.response import Chunk, Completion, Usage
from mellea.history.records import (
    FoundText,
    RecordedCall,
    RecordedDraw,
    RecordedRequest,
    RecordedRow,
    RecordedSession,
)
from mellea.history.schema import make_searchable

__all__ = [
    "as_trace",
    "exported_calls",
    "find_call",
    "find_session",
    "find_texts",
    "has_mapped",
    "read_answer",
    "read_calls",
    "read_draws",
    "read_mapped",
    "read_requests",
    "read_sessions",
]

_SESSIONS = """
SELECT uid, started, ended, backend, model, program, process, host, release, error,
    (SELECT count(*) FROM calls WHERE calls.session = sessions.id) FROM sessions
"""
_CALLS = """
SELECT calls.id, sessions.uid, calls.started, calls.seconds, calls.kind, asked, strategy, outcome, why,
    texts.text, calls.error, (SELECT count(*) FROM attempts WHERE attempts.call = calls.id),
    count(requests.id), ifnull(sum(prompt_tokens), 0), ifnull(sum(completion_tokens), 0)
FROM calls LEFT JOIN sessions ON sessions.id = calls.session LEFT JOIN texts ON texts.id = calls.answer
    LEFT JOIN requests ON requests.call = calls.id
"""
_REQUESTS = """
SELECT key, sample, call, kind, provider, model, request, answer, started, seconds, error,
    prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens FROM requests
"""
_TEXTS = "SELECT id, role, text, more FROM texts WHERE id IN (SELECT value FROM json_each(?))"
_FOUND = """
SELECT texts.call, sessions.uid, calls.started, role, text FROM texts
    LEFT JOIN calls ON calls.id = texts.call
    LEFT JOIN sessions ON sessions.id = ifnull(calls.session, texts.session)
WHERE {} ORDER BY texts.id DESC LIMIT ?
"""


def read_sessions(file: sqlite3.Connection, limit: int | None = None) -> list[RecordedSession]:
    """Return the sessions, the newest first."""
    rows = file.execute(f"{_SESSIONS} ORDER BY id DESC LIMIT ?", (_count(limit),))
    return [RecordedSession(*row) for row in rows]


def find_session(file: sqlite3.Connection, beginning: str) -> RecordedSession:
    """Return the session whose id begins with a text.

    Raises:
        UsageError: There is none, or more than one.
    """
    rows = file.execute(
        f"{_SESSIONS} WHERE substr(uid, 1, ?) = ? LIMIT 2", (len(beginning), beginning)
    ).fetchall()
    if len(rows) != 1:
        what = "More than one session begins" if rows else "No session, and no call, begins"
        raise UsageError(f"{what} with {beginning!r}.", hint="Look at mellea history list.")
    return RecordedSession(*rows[0])


def read_calls(
    file: sqlite3.Connection, session: str | None = None, limit: int | None = None
) -> list[RecordedCall]:
    """Return the calls, the newest first: all, or those of a session."""
    within = "WHERE sessions.uid = ?" if session is not None else ""
    known = () if session is None else (session,)
    rows = file.execute(
        f"{_CALLS} {within} GROUP BY calls.id ORDER BY calls.id DESC LIMIT ?", (*known, _count(limit))
    )
    return [RecordedCall(*row) for row in rows]


def find_call(file: sqlite3.Connection, number: int) -> RecordedCall:
    """Return the call of a number.

    Raises:
        UsageError: There is none.
    """
    row = file.execute(f"{_CALLS} WHERE calls.id = ? GROUP BY calls.id", (number,)).fetchone()
    if row is None:
        raise UsageError(f"There is no call {number} in the history.", hint="Look at mellea history list.")
    return RecordedCall(*row)


def as_trace(file: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """Return the attempts of a call as ``SamplingResult.to_dict`` gives them; None if there are none."""
    head = file.execute("SELECT outcome, why, chosen, steering FROM calls WHERE id = ?", (number,)).fetchone()
    rows = file.execute(
        "SELECT place, success, texts.text, attempts.error, seconds, prompt, details FROM attempts "
        "JOIN texts ON texts.id = attempts.text WHERE attempts.call = ? ORDER BY place",
        (number,),
    ).fetchall()
    if head is None or not rows:
        return None
    outcome, why, chosen, steering = head
    attempts = [
        {
            "success": bool(success),
            "text": text,
            "error": error,
            "seconds": seconds,
            "prompt": None if prompt is None else _messages(file, json.loads(prompt)),
            "requirements": _verdicts(file, number, place),
            **json.loads(details),
        }
        for place, success, text, error, seconds, prompt, details in rows
    ]
    index = len(attempts) - 1 if chosen is None else chosen
    return {
        "success": outcome == "met" if outcome in ("met", "not met") else attempts[index]["success"],
        "result_index": index,
        "why": why or ("it never ended" if outcome is None else outcome),
        "steering": json.loads(steering or "{}"),
        "attempts": attempts,
    }


def _verdicts(file: sqlite3.Connection, call: int, attempt: int) -> list[dict[str, Any]]:
    rows = file.execute(
        "SELECT requirement, met, reason, score, skipped, seconds, tokens, steering FROM verdicts "
        "WHERE call = ? AND attempt = ? ORDER BY place",
        (call, attempt),
    )
    return [
        {
            "requirement": requirement,
            "met": bool(met),
            "reason": reason,
            "score": score,
            "skipped": bool(skipped),
            "seconds": seconds,
            "tokens": tokens,
            **({} if steering is None else {"steering": steering}),
        }
        for requirement, met, reason, score, skipped, seconds, tokens, steering in rows
    ]


def read_requests(file: sqlite3.Connection, call: int) -> list[RecordedRequest]:
    """Return the requests of a call, in the order in which they ended."""
    rows = file.execute(f"{_REQUESTS} WHERE call = ? ORDER BY id", (call,)).fetchall()
    return [_request(file, row) for row in rows]


def read_answer(file: sqlite3.Connection, key: str, sample: int) -> RecordedRequest | None:
    """Return the first request of a key that has an answer of that number, of whichever session."""
    row = file.execute(
        f"{_REQUESTS} WHERE key = ? AND sample = ? ORDER BY id LIMIT 1", (key, sample)
    ).fetchone()
    return None if row is None else _request(file, row)


def _request(file: sqlite3.Connection, row: Sequence[Any]) -> RecordedRequest:
    key, sample, call, kind, provider, model, request, answer, started, seconds, error, *tokens = row
    answers = None if answer is None else _answers(file, kind, answer)
    asked = _asked(file, json.loads(request))
    told = None if error is None else json.loads(error)
    return RecordedRequest(
        key, sample, call, kind, provider, model, asked, answers, Usage(*tokens), started, seconds, told
    )


def _answers(file: sqlite3.Connection, kind: str, answer: str) -> tuple[Chunk | Completion, ...]:
    read = chunk_from_json if kind == "chat" else completion_from_json
    kept = json.loads(answer)
    texts = _texts(file, [each["text"] for each in kept if each.get("text")])
    return tuple(
        read({**each, "text": texts[each["text"]]["content"]} if each.get("text") else {"text": "", **each})
        for each in kept
    )


_DRAWS = """
SELECT key, draw, kind, answer, cost, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens
FROM requests WHERE of_row = ? AND answer IS NOT NULL ORDER BY id
"""


def has_mapped(file: sqlite3.Connection) -> bool:
    """Tell whether rows of data were mapped with this file."""
    found = file.execute("SELECT 1 FROM requests WHERE of_row IS NOT NULL LIMIT 1").fetchone()
    return found is not None or file.execute("SELECT 1 FROM mapped LIMIT 1").fetchone() is not None


def read_draws(file: sqlite3.Connection, row: bytes) -> list[RecordedDraw]:
    """Return what a row of data was answered, in the order in which it was."""
    return [
        RecordedDraw(key, draw, _answers(file, kind, answer), Usage(*tokens), cost)
        for key, draw, kind, answer, cost, *tokens in file.execute(_DRAWS, (row,)).fetchall()
    ]


def read_mapped(file: sqlite3.Connection, row: bytes, version: bytes) -> RecordedRow | None:
    """Return what came of a row of data with a version of its program; None if it never went through it."""
    found = file.execute(
        "SELECT trial, success, result FROM mapped WHERE of_row = ? AND version = ?", (row, version)
    ).fetchone()
    if found is None:
        return None
    trial, success, result = found
    return RecordedRow(trial, None if success is None else bool(success), json.loads(result or "null"))


def _asked(file: sqlite3.Connection, kept: dict[str, Any]) -> dict[str, Any]:
    """Return a request with its texts in place of their numbers."""
    if "messages" in kept:
        kept["messages"] = _messages(file, kept["messages"])
    if "prompts" in kept:
        kept["prompts"] = [each["content"] for each in _messages(file, kept["prompts"])]
    if "schema" in kept:
        kept["schema"] = json.loads(_messages(file, [kept["schema"]])[0]["content"])
    if "tools" in kept:
        kept["tools"] = [json.loads(each["content"]) for each in _messages(file, kept["tools"])]
    return kept


def _messages(file: sqlite3.Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    texts = _texts(file, numbers)
    return [texts[number] for number in numbers]


def _texts(file: sqlite3.Connection, numbers: Iterable[int]) -> Mapping[int, dict[str, Any]]:
    return {
        number: {"role": role, "content": text, **json.loads(more or "{}")}
        for number, role, text, more in file.execute(_TEXTS, (json.dumps(list(numbers)),))
    }


def find_texts(file: sqlite3.Connection, words: str, limit: int | None = None) -> list[FoundText]:
    """Return the prompts and answers in which all words occur, the newest first.

    Where SQLite has no index of words, or may not write it, texts with the words as parts of others are found
    too.
    """
    wanted = words.split()
    if not wanted:
        raise UsageError("There is nothing to search for.", hint="Name one or more words.")
    if make_searchable(file):
        where = "texts.id IN (SELECT rowid FROM words WHERE words MATCH ?)"
        known: tuple[str, ...] = (" ".join(map(_term, wanted)),)
    else:
        where = " AND ".join(["instr(lower(text), lower(?)) > 0"] * len(wanted))
        where = f"role NOT IN ('schema', 'tool offered') AND {where}"
        known = tuple(word.rstrip("*") for word in wanted)
    return [FoundText(*row) for row in file.execute(_FOUND.format(where), (*known, _count(limit)))]


def _term(word: str) -> str:
    """Return a word in the language of the index, with a star at its end for any ending."""
    quoted = word.rstrip("*").replace('"', '""')
    return f'"{quoted}"*' if word.endswith("*") else f'"{quoted}"'


def exported_calls(
    file: sqlite3.Connection, session: str | None, call: int | None
) -> Iterator[dict[str, Any]]:
    """Iterate over the calls with everything that is known of them as JSON values, the oldest first."""
    sessions: dict[str | None, RecordedSession | None] = {None: None}
    query = (
        "SELECT calls.id FROM calls LEFT JOIN sessions ON sessions.id = calls.session "
        "WHERE (?1 IS NULL OR sessions.uid = ?1) AND (?2 IS NULL OR calls.id = ?2) ORDER BY calls.id"
    )
    for (number,) in file.execute(query, (session, call)):
        told = find_call(file, number)
        if told.session is not None and told.session not in sessions:
            sessions[told.session] = find_session(file, told.session)
        yield _exported(told, sessions[told.session], as_trace(file, number), read_requests(file, number))


def _exported(
    call: RecordedCall,
    session: RecordedSession | None,
    trace: Mapping[str, Any] | None,
    requests: Sequence[RecordedRequest],
) -> dict[str, Any]:
    sent = [
        {
            **asdict(each, recurse=False),
            "usage": dict(each.usage),
            "answer": None if each.answer is None else [answer_to_json(one) for one in each.answer],
        }
        for each in requests
    ]
    told = None if session is None else asdict(session)
    return {**asdict(call), "session": told, "trace": trace, "requests": sent}


def _count(limit: int | None) -> int:
    return -1 if limit is None else limit
