"""``mellea map``: the files that it reads and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mellea.cli import main

PROGRAM = """
import sys

def double(row):
    return 2 * row["n"]

async def ask(session, row):
    return (await session.ainstruct("Hello.")).text

def leaves(row):
    sys.exit(row["n"])
"""
ROWS = '{"n": 1}\n{"n": 2}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MELLEA_HISTORY", raising=False)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "out.failed.jsonl").write_text(ROWS)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    (tmp_path / "link.jsonl").symlink_to("rows.jsonl")
    return tmp_path


def run(*arguments: str, function: str = "double", rows: str = "rows.jsonl") -> int:
    return main(["map", f"program.py:{function}", "--input", rows, *arguments])


SHARED = {
    "input": ["--output", "rows.jsonl"],
    "link": ["--output", "link.jsonl"],
    "program": ["--output", "program.py"],
    "default journal": ["--output", "runs.db"],
    "journal": ["--output", "out.jsonl", "--journal", "out.jsonl"],
    "failed rows": ["--output", "out.jsonl", "--failed", "out.jsonl"],
    "failed input": ["--output", "out.jsonl", "--failed", "rows.jsonl"],
}


@pytest.mark.parametrize("case", SHARED)
def test_no_file_is_written_over_what_is_read_or_written_besides(folder: Path, capsys, case: str):
    assert run(*SHARED[case]) == 2

    assert "Name a file for each." in capsys.readouterr().err
    assert (folder / "rows.jsonl").read_text() == ROWS
    assert (folder / "program.py").read_text() == PROGRAM


def test_rows_that_failed_are_not_removed_before_they_are_read(folder: Path, capsys):
    assert run("--output", "out.jsonl", rows="out.failed.jsonl") == 2
    assert "the rows and the rows that fail" in capsys.readouterr().err
    assert (folder / "out.failed.jsonl").read_text() == ROWS


UNWRITABLE = {
    "no folder": ["--output", "nowhere/out.jsonl"],
    "folder": ["--output", "."],
    "no folder for failed rows": ["--output", "out.jsonl", "--failed", "nowhere/failed.jsonl"],
    "folder for failed rows": ["--output", "out.jsonl", "--failed", "."],
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_file_that_cannot_be_written_is_told_before_anything_runs(folder: Path, capsys, case: str):
    assert run(*UNWRITABLE[case]) == 2

    assert "cannot be written: " in capsys.readouterr().err
    assert not (folder / "out.jsonl").exists()
    assert not (folder / "runs.db").exists()


def test_results_of_an_earlier_run_stay_until_there_are_new_ones(folder: Path, capsys):
    (folder / "out.jsonl").write_text("earlier\n")

    assert run("--output", "out.jsonl", "--backend", "nowhere", function="ask") == 1
    assert (folder / "out.jsonl").read_text() == "earlier\n"
    assert (folder / "out.failed.jsonl").read_text() == ROWS

    assert run("--output", "out.jsonl") == 0
    lines = (folder / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [2, 4]
    assert not (folder / "out.failed.jsonl").exists()


def test_no_rows_give_no_results(folder: Path):
    (folder / "empty.csv").write_text("n\n")
    (folder / "out.jsonl").write_text("earlier\n")

    assert run("--output", "out.jsonl", rows="empty.csv") == 0
    assert (folder / "out.jsonl").read_text() == ""


def test_row_that_would_end_the_process_fails_alone(folder: Path, capsys):
    assert run("--output", "out.jsonl", "--passes", "1", function="leaves") == 1
    lines = (folder / "out.failed.jsonl").read_text().splitlines()
    assert [json.loads(line)["error"] for line in lines] == ["SystemExit: 1", "SystemExit: 2"]
    assert "with why: out.failed.jsonl; the first: SystemExit: 1" in capsys.readouterr().err


def test_estimate_says_whether_its_sample_is_paid_for_again(capsys):
    assert run("--estimate") == 0
    assert "The sample is in the journal" in capsys.readouterr().out

    assert run("--estimate", "--no-journal") == 0
    assert "There is no journal" in capsys.readouterr().out


def test_journal_and_none_at_once_are_refused(capsys):
    assert run("--output", "out.jsonl", "--journal", "runs.db", "--no-journal") == 2
    assert "not allowed with" in capsys.readouterr().err
