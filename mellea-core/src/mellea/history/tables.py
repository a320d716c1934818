"""What a history writes into its tables; each method is one record, inserted with those that come with it.

A text is kept once, however often it was sent: of a conversation each turn, of many calls one schema.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mellea.core.redaction import redacted, secrets_within
from mellea.core.request_key import canonical
from mellea.history.inserting import Inserts, execute

__all__ = ["ANSWER", "TOKENS", "KnownTextsError", "Tables"]

T = TypeVar("T")

ANSWER = "assistant"
"""The role of a text that a model wrote."""
PROMPT, SCHEMA, OFFERED = "prompt", "schema", "tool offered"
UNSAID = (SCHEMA, OFFERED)
"""The roles of texts that nobody says: the program's, which may well name what is secret elsewhere."""
_OTHERWISE = ("role", "content")
_TEXTS = ("messages", "prompts", "schema", "tools")
_ATTEMPT = ("text", "error", "success", "seconds", "usage", "prompt", "requirements")
_VERDICT = ("requirement", "met", "skipped", "reason", "score", "seconds", "tokens", "steering")
_NAMED = ("kind", "provider", "model")
_COUNTED = ("usage", "spent")
TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
"""The counts of a request, by column."""
_MOST_KNOWN = 4096
"""Texts whose numbers are remembered, and short ones that are known without their secrets."""
_SHORT = 500
"""Characters of a text that is likely to come again: a requirement, a reason, a strategy."""


class KnownTextsError(Exception):
    """Texts that were taken for new are in the file; their numbers are known from here on."""


class Tables:
    """The tables of an open file, within a transaction of whoever calls.

    Args:
        file: The open file.
    """

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file
        self._texts: dict[bytes, int] = {}
        self._sessions: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self._new_calls: set[str] = set()
        self._waiting_calls: dict[int, dict[str, Any]] = {}
        self._new_texts: dict[bytes, int] = {}
        self._found_texts: dict[bytes, int] = {}
        self._inserts = Inserts(file)
        self._asking: set[str] = set()
        self._secrets: tuple[str, ...] = tuple(secrets_within(os.environ))
        self._blanked = functools.lru_cache(_MOST_KNOWN)(lambda text: redacted(text, self._secrets))

    def forget(self) -> None:
        """Forget what was learned in a transaction that was not committed."""
        self._texts.clear()
        self._sessions.clear()
        self._asking.clear()
        for uid in self._new_calls:
            self._calls.pop(uid, None)
        self._waiting_calls.clear()
        self._new_texts.clear()
        self._new_calls.clear()
        self._inserts.forget()

    def committed(self) -> None:
        """Take note that a transaction was committed."""
        self._new_calls.clear()
        self._found_texts.clear()
        self._inserts.forget()

    def insert(self) -> None:
        """Insert the records that wait for those that come with them.

        Raises:
            KnownTextsError: What was written has wrong numbers in it; the transaction is to be begun anew.
        """
        if found := self._inserts.found("texts", "hash", self._new_texts):
            self._found_texts |= found
            raise KnownTextsError
        self._inserts.write()
        self._waiting_calls.clear()
        self._new_texts.clear()

    def hide(self, secrets: tuple[str, ...]) -> None:
        """Let secrets be blanked from here on, beside those that are known."""
        if new := [secret for secret in secrets if secret not in self._secrets]:
            self._secrets = (*self._secrets, *new)
            self._blanked.cache_clear()

    def blank(self, value: T) -> T:
        """Return a text, or JSON values, without the secrets in it."""
        if not value or isinstance(value, int | float):
            return value
        if isinstance(value, str) and len(value) < _SHORT:
            short: Any = self._blanked(value)
            return short  # type: ignore[no-any-return]
        return redacted(value, self._secrets)

    def _blanked_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields whose names are ours, without the secrets in their values."""
        return {name: value if name in _COUNTED else self.blank(value) for name, value in fields.items()}

    def session(self, uid: str, started: float, model: str | None = None) -> int:
        """Keep a session that begins, and return its number.

        Args:
            uid: Its id.
            started: When, in seconds since 1970.
            model: Its model.
        """
        known = {"uid": uid, "started": started, "model": model, **_this_process()}
        number = self._sessions[uid] = self._inserts.number("sessions")
        self._inserts.add("sessions", {"id": number, **known})
        self.insert()
        return number

    def note_backend(self, uid: str | None, provider: str) -> None:
        """Keep which backend a session asks, the first time that it does."""
        if uid is not None and uid not in self._asking:
            self._asking.add(uid)
            query = "UPDATE sessions SET backend = ? WHERE uid = ? AND backend IS NULL"
            self._file.execute(query, (provider, uid))

    def end_session(self, uid: str, ended: float, error: str | None) -> None:
        """Keep how a session ended."""
        self._file.execute("UPDATE sessions SET ended = ?, error = ? WHERE uid = ?", (ended, error, uid))
        self._sessions.pop(uid, None)
        self._asking.discard(uid)

    def number_of_session(self, uid: str | None) -> int | None:
        """Return the number of a session; one that began when nobody looked begins now."""
        if uid is None or uid in self._sessions:
            return self._sessions.get(uid or "")
        found = self._file.execute("SELECT id FROM sessions WHERE uid = ?", (uid,)).fetchone()
        self._sessions[uid] = self.session(uid, time.time()) if found is None else found[0]
        return self._sessions[uid]

    def call(self, uid: str, session: str | None, about: Mapping[str, Any]) -> int:
        """Keep what is known of a call by now, and return its number.

        Args:
            uid: Its id.
            session: The id of its session.
            about: What is known of it, by column.
        """
        number = self._calls.get(uid)
        if number is None:
            within = self.number_of_session(session)
            number = self._calls[uid] = self._inserts.number("calls")
            self._new_calls.add(uid)
            known = self._waiting_calls[number] = {"id": number, "uid": uid, "session": within, **about}
            self._inserts.add("calls", known)
        elif (waiting := self._waiting_calls.get(number)) is not None:
            waiting.update(about)
        else:
            execute(self._file, _updating("calls", tuple(about)), (*about.values(), number))
        return number

    def leave_call(self, uid: str) -> None:
        """Forget the number of a call that is over."""
        self._calls.pop(uid, None)

    def number_of_call(self, uid: str) -> int | None:
        """Return the number of a call under way, if it is kept."""
        return self._calls.get(uid)

    def drop_attempts(self, call: int) -> None:
        """Drop the attempts of a call, for all of them to be written anew."""
        self.insert()
        self._file.execute("DELETE FROM verdicts WHERE call = ?", (call,))
        self._file.execute("DELETE FROM attempts WHERE call = ?", (call,))

    def attempt(self, call: int, place: int, told: Mapping[str, Any]) -> None:
        """Keep an attempt with its verdicts.

        Args:
            call: The number of its call.
            place: Which of the call's attempts it is.
            told: What ``Attempt.told`` gives.
        """
        rest = dict(told)
        text, error, success, seconds, usage, prompt, verdicts = map(rest.pop, _ATTEMPT)
        row = {
            "call": call,
            "place": place,
            "success": success,
            "text": self.text(ANSWER, text, call=call),
            "error": self.blank(error),
            "seconds": seconds,
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "prompt": None if prompt is None else json.dumps(self._messages(prompt, call, None)),
            "details": canonical(self._blanked_fields({**rest, "usage": usage})),
        }
        self._inserts.add("attempts", row)
        for number, each in enumerate(verdicts):
            said = {name: self.blank(each.get(name)) for name in _VERDICT}
            self._inserts.add("verdicts", {"call": call, "attempt": place, "place": number, **said})

    def request(
        self,
        key: str,
        asked: Mapping[str, Any],
        answers: Sequence[Mapping[str, Any]] | None,
        *,
        call: str | None,
        session: str | None,
        about: Mapping[str, Any],
        sample: int | None,
        of: tuple[bytes, int] | None = None,
    ) -> None:
        """Keep a request with its answer or its error.

        Args:
            key: What names it.
            asked: The request as JSON; see ``named_request``.
            answers: The chunks or completions as JSON; None if it failed.
            call: The id of the call that made it.
            session: The id of the session.
            about: What else is known, by column.
            sample: Which answer it is of a request that has the same ones each time; None for the next one.
            of: The row of data that it was made for, and which of the row's answers to it this is.
        """
        number, within = self.number_of_call(call or ""), self.number_of_session(session)
        if sample is None and answers is not None:
            sample = self._next_sample(key, within) if of is None else of[1]
        row = {
            **about,
            "key": key,
            "sample": None if answers is None else sample,
            "call": number,
            "session": within,
            **{name: asked.get(name, "") for name in _NAMED},
            "request": canonical(self._asked(asked, number, within)),
            "answer": None if answers is None else canonical(self._answers(answers, number, within)),
        }
        if of is not None:
            row |= {"of_row": of[0], "draw": None if answers is None else of[1]}
        self._inserts.add("requests", row)

    def mapped(self, row: bytes, version: bytes, session: str, about: Mapping[str, Any]) -> None:
        """Keep what came of a row of data.

        Args:
            row: What names it.
            version: What names the program that it went through, with its options.
            session: The id of the session.
            about: What is known of it, by column; ``result`` as JSON values.
        """
        result = json.dumps(self._blanked_fields(about["result"]), ensure_ascii=False)
        known = {**about, "result": result, "session": self.number_of_session(session)}
        self._inserts.add("mapped", {"of_row": row, "version": version, **known})

    def draw_anew(self, row: bytes, version: bytes, trial: int) -> None:
        """Take note that a row is tried once more, and what it was answered is not given to it again.

        Args:
            row: What names it.
            version: What names its program.
            trial: Which trial begins, from 0.
        """
        self.insert()
        self._file.execute("UPDATE requests SET draw = NULL WHERE of_row = ?", (row,))
        self._file.execute(
            "UPDATE mapped SET trial = ?, success = NULL, result = NULL WHERE of_row = ? AND version = ?",
            (trial, row, version),
        )

    def _next_sample(self, key: str, session: int | None) -> int:
        """Return how many answers to a request a session has had."""
        self.insert()
        query = "SELECT max(sample) FROM requests WHERE key = ? AND session IS ?"
        last = self._file.execute(query, (key, session)).fetchone()[0]
        return 0 if last is None else int(last) + 1

    def _asked(self, asked: Mapping[str, Any], call: int | None, session: int | None) -> dict[str, Any]:
        """Return a request with numbers in place of its texts."""
        kept = {
            key: value if key in _TEXTS else self.blank(value)
            for key, value in asked.items()
            if key not in _NAMED
        }
        if "messages" in kept:
            kept["messages"] = self._messages(kept["messages"], call, session)
        if "prompts" in kept:
            kept["prompts"] = [
                self.text(PROMPT, each, call=call, session=session) for each in kept["prompts"]
            ]
        if "schema" in kept:
            kept["schema"] = self.text(SCHEMA, canonical(kept["schema"]), call=call, session=session)
        if "tools" in kept:
            kept["tools"] = [
                self.text(OFFERED, canonical(each), call=call, session=session) for each in kept["tools"]
            ]
        return kept

    def _messages(
        self, messages: Iterable[Mapping[str, Any]], call: int | None, session: int | None
    ) -> list[int]:
        return [
            self.text(
                each["role"],
                each["content"],
                {key: value for key, value in each.items() if key not in _OTHERWISE},
                call=call,
                session=session,
            )
            for each in messages
        ]

    def _answers(
        self, answers: Iterable[Mapping[str, Any]], call: int | None, session: int | None
    ) -> list[dict[str, Any]]:
        """Return answers with numbers in place of their texts."""
        kept = []
        for each in answers:
            rest = self._blanked_fields(
                {key: value for key, value in each.items() if key not in ("text", "logprobs")}
            )
            if said := each.get("text"):
                if each.get("logprobs") and self.blank(said) == said:  # a token may be a piece of a secret
                    rest["logprobs"] = each["logprobs"]
                rest["text"] = self.text(ANSWER, said, call=call, session=session)
            kept.append(rest)
        return kept

    def text(
        self,
        role: str,
        text: str,
        more: Mapping[str, Any] | None = None,
        *,
        call: int | None = None,
        session: int | None = None,
    ) -> int:
        """Return the number under which a text is kept, without the secrets in it.

        Args:
            role: Who says it.
            text: The text.
            more: What else belongs to the message.
            call: The number of the call that says it first.
            session: The number of that call's session.
        """
        held = canonical(more) if more else ""
        known = _digest(role, text, held)
        if known not in self._texts:
            if len(self._texts) >= _MOST_KNOWN:
                self._texts.clear()
            self._texts[known] = self._new_text(known, role, text, more, call, session)
        return self._texts[known]

    def _new_text(
        self,
        digest: bytes,
        role: str,
        text: str,
        more: Mapping[str, Any] | None,
        call: int | None,
        session: int | None,
    ) -> int:
        """Return the number of a text that is new to this connection, and is taken for new to the file."""
        said = (text, more) if role in UNSAID else (self.blank(text), self.blank(more))
        held = canonical(said[1]) if said[1] else None
        if said != (text, more):
            digest = _digest(role, said[0], held or "")
        known = self._new_texts.get(digest) or self._found_texts.get(digest)
        if known is not None:
            return known
        number = self._new_texts[digest] = self._inserts.number("texts")
        row = {"id": number, "hash": digest, "role": role, "text": said[0], "more": held}
        self._inserts.add("texts", {**row, "call": call, "session": session})
        return number


@functools.cache
def _updating(table: str, names: tuple[str, ...]) -> str:
    """Return the statement that changes columns of a row that is found by its number."""
    return f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?"  # noqa: S608  names of ours alone


def _this_process() -> dict[str, Any]:
    """Return what is known of this process, by column of a session."""
    return {
        "program": Path(sys.argv[0]).name if sys.argv else None,
        "process": os.getpid(),
        "host": socket.gethostname(),
        "release": vars(sys.modules["mellea"])["__version__"],  # the package is above this one
    }


def _digest(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    told = b"".join([b"%d:%b" % (len(each), each) for each in encoded])
    return hashlib.blake2b(told, digest_size=16).digest()
