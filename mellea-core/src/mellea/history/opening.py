"""Opening the file of a history; what is wrong with it is said in our words, before anything else happens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mellea.core.errors import UsageError
from mellea.history.schema import upgrade

__all__ = ["open_file", "read_file", "why_not"]

_SHARED = (
    "PRAGMA journal_mode = WAL",  # readers and a writer do not wait for each other
    "PRAGMA synchronous = NORMAL",  # what is committed outlives the process
    "PRAGMA wal_autocheckpoint = 8000",  # each waits for the disk
)
_REMEDIES = {
    "SQLITE_BUSY": "Another program holds it: end that, or name another file.",
    "SQLITE_CANTOPEN": "Name a file in a folder that exists and that you may write to.",
    "SQLITE_CORRUPT": "Restore it from a copy, or name a file that does not exist yet.",
    "SQLITE_FULL": "Make room on the disk.",
    "SQLITE_IOERR": "Look at the disk, and whether there is room on it.",
    "SQLITE_LOCKED": "Another program holds it: end that, or name another file.",
    "SQLITE_NOTADB": "Name a file that does not exist yet.",
    "SQLITE_PERM": "Name a file that you may write to.",
    "SQLITE_READONLY": "Name a file that you may write to.",
}


def open_file(path: Path, *, wait: float) -> sqlite3.Connection:
    """Return a connection that writes a history, whose tables are of this version; it is made if need be.

    Args:
        path: The file.
        wait: Seconds to wait for other programs that write it.

    Raises:
        UsageError: It is no such file, or cannot be opened.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"The history {path} cannot be written: there is no folder {path.parent}.",
            hint="Name a file in a folder that exists.",
        )
    with _explained(path):
        file = _connected(path, wait, uri=False)
        try:
            for setting in _SHARED:
                file.execute(setting)
        except BaseException:
            file.close()
            raise
        return file


def read_file(path: Path, *, wait: float) -> sqlite3.Connection:
    """Return a connection that reads a history.

    Args:
        path: The file.
        wait: Seconds to wait for other programs that write it.

    Raises:
        UsageError: There is no such file, or it cannot be opened.
    """
    if not path.exists():
        raise UsageError(
            f"There is no history {path}.",
            hint='Write one with start_session(history="runs.db"), or name its file.',
        )
    with _explained(path):
        try:
            return _connected(path, wait, uri=False)
        except sqlite3.OperationalError as error:
            if not _name(error).startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
                raise
            # Beside a file that may not be written SQLite cannot keep what readers share with writers.
            return _connected(f"{path.resolve().as_uri()}?immutable=1", wait, uri=True)


def _connected(path: Path | str, wait: float, *, uri: bool) -> sqlite3.Connection:
    if isinstance(path, Path) and path.is_dir():
        raise UsageError(f"The history {path} is a folder.", hint="Name a file in it.")
    file = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False, uri=uri)
    try:
        upgrade(file, f"The history {path}")
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise why_not(path, error) from error


def why_not(path: Path, error: sqlite3.Error) -> UsageError:
    """Return our error for one of SQLite."""
    kind = next((each for each in _REMEDIES if _name(error).startswith(each)), None)
    hint = _REMEDIES[kind] if kind else "Name another file."
    return UsageError(f"The history {path} cannot be used: {error}.", hint=hint)


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))
