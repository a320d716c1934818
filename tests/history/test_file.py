"""The file of a history: what is refused before anything is sent, versions, and its index of words."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mellea.core import UsageError
from mellea.history import History
from mellea.history.opening import open_file
from mellea.history.schema import STEPS, upgrade


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that a user without rights may look into, and who then is that user."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        folder.chmod(0o755)
        yield folder
        os.seteuid(user)


def written(path: Path) -> None:
    with History(path):
        pass


def a_text(path: Path) -> str:
    path.write_text("These are notes, and no history at all. " * 200)
    return "file is not a database"


def another_database(path: Path) -> str:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE recipes (name)")
    return "is a database of another program"


def a_newer_one(path: Path) -> str:
    written(path)
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    return f"has version {len(STEPS) + 1} of its tables, and this release knows those up to {len(STEPS)}"


def a_broken_one(path: Path) -> str:
    written(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x5a" * (len(whole) - 4096))
    return "cannot be used: .*malformed|cannot be used: .*failed"


def a_cut_one(path: Path) -> str:
    written(path)
    path.write_bytes(path.read_bytes()[:8000])
    return "database disk image is malformed"


def a_folder(path: Path) -> str:
    path.mkdir()
    return "is a folder"


@pytest.mark.parametrize("make", [a_text, another_database, a_newer_one, a_broken_one, a_cut_one, a_folder])
def test_file_that_is_no_history_is_refused(path, make):
    words = make(path)

    with pytest.raises(UsageError, match=words) as refused:
        written(path)
    assert str(path) in str(refused.value)
    with pytest.raises(UsageError, match=words):
        History(path).calls()


def test_file_in_no_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        written(tmp_path / "nowhere" / "runs.db")


def test_file_that_another_program_holds_is_refused(path):
    written(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UsageError, match="database is locked.*Another program holds it"):
            History(path, wait=0.01).writer()


def test_file_that_may_not_be_written_is_refused_and_can_be_read(open_folder):
    path = open_folder / "runs.db"
    written(path)
    path.chmod(0o444)
    os.seteuid(65534)

    with pytest.raises(UsageError, match="Name a file"):
        written(path)
    assert History(path).calls() == []


def test_reading_makes_no_file(path):
    with pytest.raises(UsageError, match=r'There is no history .*start_session\(history="runs.db"\)'):
        History(path).calls()
    assert not path.exists()


def test_older_file_is_brought_to_this_version_and_keeps_what_it_has(path):
    written(path)
    newer = (*STEPS, "ALTER TABLE calls ADD COLUMN mood TEXT;\nUPDATE calls SET mood = 'calm'")
    with closing(open_file(path, wait=1)) as file:
        file.execute("INSERT INTO calls (uid, started) VALUES ('a', 1)")

        upgrade(file, "it", newer)

        assert file.execute("SELECT uid, mood FROM calls").fetchall() == [("a", "calm")]
        assert file.execute("PRAGMA user_version").fetchone() == (len(newer),)


def test_step_that_fails_leaves_the_file_as_it_was(path):
    with closing(open_file(path, wait=1)) as file:
        with pytest.raises(sqlite3.OperationalError):
            upgrade(file, "it", (*STEPS, "ALTER TABLE calls ADD COLUMN mood TEXT;\nUPDATE nothing SET a = 1"))

        assert "mood" not in [row[1] for row in file.execute("PRAGMA table_info(calls)")]
        assert file.execute("PRAGMA user_version").fetchone() == (len(STEPS),)


def test_nothing_but_the_file_is_left(path):
    written(path)
    assert [each.name for each in path.parent.iterdir()] == ["runs.db"]
