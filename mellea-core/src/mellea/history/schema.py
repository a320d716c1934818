"""The tables of a history, and the steps from an older version of them to this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mellea.core.errors import UsageError

__all__ = ["APPLICATION", "STEPS", "make_searchable", "upgrade"]

APPLICATION = 0x6D656C61
"""What tells our files from other files of SQLite."""

_FIRST = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, started REAL NOT NULL, ended REAL, backend TEXT,
    model TEXT, program TEXT, process INTEGER, host TEXT, release TEXT, error TEXT
);
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL, text TEXT NOT NULL, more TEXT,
    call INTEGER, session INTEGER
);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL, session INTEGER REFERENCES sessions,
    started REAL NOT NULL, seconds REAL, kind TEXT, asked TEXT, strategy TEXT, outcome TEXT, why TEXT,
    chosen INTEGER, answer INTEGER REFERENCES texts, steering TEXT, error TEXT
);
CREATE INDEX calls_of_session ON calls (session);
CREATE TABLE attempts (
    call INTEGER NOT NULL REFERENCES calls, place INTEGER NOT NULL, success INTEGER NOT NULL,
    text INTEGER NOT NULL REFERENCES texts, error TEXT, seconds REAL NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, prompt TEXT, details TEXT NOT NULL,
    PRIMARY KEY (call, place)
) WITHOUT ROWID;
CREATE TABLE verdicts (
    call INTEGER NOT NULL REFERENCES calls, attempt INTEGER NOT NULL, place INTEGER NOT NULL,
    requirement TEXT NOT NULL, met INTEGER NOT NULL, skipped INTEGER NOT NULL, reason TEXT, score REAL,
    seconds REAL NOT NULL, tokens INTEGER NOT NULL, steering TEXT, PRIMARY KEY (call, attempt, place)
) WITHOUT ROWID;
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, sample INTEGER, call INTEGER REFERENCES calls,
    session INTEGER REFERENCES sessions, kind TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    request TEXT NOT NULL, answer TEXT, error TEXT, started REAL NOT NULL, seconds REAL NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL
);
CREATE INDEX requests_by_key ON requests (key, session, sample);
CREATE INDEX requests_of_call ON requests (call);
CREATE VIEW said AS SELECT id, text FROM texts WHERE role NOT IN ('schema', 'tool offered');
"""
_MAPPED = """
ALTER TABLE requests ADD COLUMN of_row BLOB;
ALTER TABLE requests ADD COLUMN draw INTEGER;
ALTER TABLE requests ADD COLUMN cost REAL;
CREATE INDEX requests_of_row ON requests (of_row) WHERE of_row IS NOT NULL;
CREATE TABLE mapped (
    id INTEGER PRIMARY KEY, of_row BLOB NOT NULL, version BLOB NOT NULL, program TEXT NOT NULL,
    session INTEGER REFERENCES sessions, place INTEGER NOT NULL, trial INTEGER NOT NULL, ended REAL,
    success INTEGER, result TEXT, UNIQUE (of_row, version)
);
"""
STEPS: tuple[str, ...] = (_FIRST, _MAPPED)
"""The script at place n makes version n + 1 of version n; version 0 is an empty file."""

_SEARCH = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS words
    USING fts5 (text, content='said', content_rowid='id', tokenize='unicode61 remove_diacritics 2')""",
    "CREATE TABLE IF NOT EXISTS searchable (upto INTEGER NOT NULL)",
    "INSERT INTO searchable SELECT 0 WHERE NOT EXISTS (SELECT * FROM searchable)",
    "INSERT INTO words (rowid, text) SELECT id, text FROM said WHERE id > (SELECT upto FROM searchable)",
    "UPDATE searchable SET upto = (SELECT ifnull(max(id), 0) FROM texts)",
)
"""The index of words is brought up to date by whoever searches, so that no call waits for it."""


def upgrade(file: sqlite3.Connection, name: str, steps: Sequence[str] = STEPS) -> None:
    """Bring the tables of a file to this version; those of an empty one are made.

    Args:
        file: The open file.
        name: What to call it in errors.
        steps: The way there.

    Raises:
        UsageError: It is another program's, or of a newer version.
    """
    if _version(file, name, steps) == len(steps):
        return
    file.execute(
        "BEGIN IMMEDIATE"
    )  # of several processes that come here one goes on, and the others look again
    try:
        for number in range(_version(file, name, steps), len(steps)):
            for statement in filter(str.strip, steps[number].split(";\n")):
                file.execute(statement)
            file.execute(f"PRAGMA user_version = {number + 1}")
            file.execute(f"PRAGMA application_id = {APPLICATION}")
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise


def _version(file: sqlite3.Connection, name: str, steps: Sequence[str]) -> int:
    application, version, tables = (
        file.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if application != APPLICATION and (application or version or tables):
        raise UsageError(
            f"{name} is a database of another program.", hint="Name a file that does not exist yet."
        )
    if version > len(steps):
        raise UsageError(
            f"{name} has version {version} of its tables, and this release knows those up to {len(steps)}.",
            hint="Install the release that wrote it, or name another file.",
        )
    return int(version)


def make_searchable(file: sqlite3.Connection) -> bool:
    """Bring the index of words up to date; tell whether that is possible."""
    try:
        file.execute("BEGIN IMMEDIATE")
        for statement in _SEARCH:
            file.execute(statement)
        file.execute("COMMIT")
    except sqlite3.OperationalError:  # SQLite was built without it, or the file may not be written
        if file.in_transaction:
            file.execute("ROLLBACK")
        return False
    return True
