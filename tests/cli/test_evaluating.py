"""``mellea eval`` and ``mellea compare``, as a user types them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from mellea.cli import main

PROGRAM = """
import time
from mellea.testing import Fault, ScriptedBackend

def right(prompt):
    return "right"

def wrong(prompt):
    return "wrong"

def odd(prompt):
    if prompt.endswith("3"):
        raise RuntimeError("out of paper")
    return "right"

def stalling(prompt):
    if prompt.endswith("2"):
        print("stalls", flush=True)
        time.sleep(600)
    return "right"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    lines = [{"prompt": f"Task {number}", "requirements": [{"one_of": ["right"]}]} for number in range(40)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def interrupted(*arguments):
    """Run a command one task at a time, interrupt it once a program stalls, and return how it ended."""
    command = [sys.executable, "-m", "mellea.cli", *arguments, "-j", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "stalls\n"
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


@pytest.mark.parametrize("verb", [["eval"], ["eval", "run"]])
def test_table_is_printed(folder, capsys, verb):
    status = main([*verb, "tasks.jsonl", "--program", "program.py:right", "--program", "program.py:wrong"])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[1].split()[:3] == ["program.py:right", "40/40", "100%"]
    assert lines[3].split()[:3] == ["program.py:wrong", "0/40", "0%"]


def test_report_is_written_as_json_and_as_a_page(folder, capsys):
    written = ["-o", "results", "--html", "page.html", "--continue-on-error"]

    status = main(["eval", "tasks.jsonl", "--program", "program.py:right", "--json", *written])

    told = json.loads(capsys.readouterr().out)
    assert (status, told["summary"]["passed_inputs"]) == (0, 40)
    assert json.loads((folder / "results.json").read_text()) == told
    assert "Evaluation of 40 tasks" in (folder / "page.html").read_text()


def test_results_are_written_one_a_line(folder, capsys):
    main(["eval", "tasks.jsonl", "--program", "program.py:right", "-o", "r", "--output-format", "jsonl"])

    lines = (folder / "r.jsonl").read_text().splitlines()
    assert [json.loads(line)["success"] for line in lines] == [True] * 40


@pytest.mark.parametrize(
    ("program", "options", "status"),
    [("odd", (), 1), ("wrong", (), 0), ("wrong", ("--at-least", "1"), 1), ("right", ("--at-least", "99"), 0)],
)
def test_status_says_whether_tasks_failed(folder, capsys, program, options, status):
    assert main(["eval", "tasks.jsonl", "--program", f"program.py:{program}", *options]) == status


def test_interrupted_run_keeps_what_is_done(folder):
    status, printed = interrupted(
        "eval", "tasks.jsonl", "--program", "program.py:stalling", "--html", "page.html"
    )

    assert status == 130
    assert "2/2" in printed
    assert "Interrupted: 2 of 40 tasks were run." in printed
    assert "Interrupted: 2 of 40 were run." in (folder / "page.html").read_text()


def test_interrupted_comparison_says_what_is_known(folder):
    status, printed = interrupted(
        "compare", "program.py:stalling", "program.py:right", "--tasks", "tasks.jsonl", "--json"
    )

    told = json.loads(printed)
    assert (status, told["finding"], told["tasks"]) == (130, "undecided", 40)
    assert told["pairs"] == len(told["results"]) / 2 < 40


def test_comparison_is_printed(folder, capsys):
    status = main(["compare", "program.py:right", "program.py:wrong", "--tasks", "tasks.jsonl"])

    printed = capsys.readouterr().out
    assert status == 0
    assert printed.startswith("program.py:right is better than program.py:wrong: 100% to 0% of ")


def test_undecided_comparison_has_a_status_of_its_own(folder, capsys):
    sides = ["program.py:right", "program.py:wrong"]

    status = main(["compare", *sides, "--tasks", "tasks.jsonl", "--at-most", "2", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert (status, told["finding"], told["pairs"]) == (1, "undecided", 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "none.jsonl"], "none.jsonl cannot be read"),
        (["eval", "run"], "There is no file of tasks"),
        (["eval", "tasks.jsonl", "--program", "program.py:none"], "no function 'none'"),
        (
            ["eval", "tasks.jsonl", "--program", "program.py"],
            "its functions are: odd, right, stalling, wrong",
        ),
        (["eval", "tasks.jsonl", "--judge-model", "m"], "The judge has a model and no backend"),
        (["compare", "program.py:right", "program.py:right", "--tasks", "tasks.jsonl"], "Both sides are"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(folder, capsys, arguments, said):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


UNWRITABLE = {
    "page": ["eval", "tasks.jsonl", "--program", "program.py:right", "--html", "none/page.html"],
    "report": ["eval", "tasks.jsonl", "--program", "program.py:right", "-o", "none/report"],
    "comparison": ["compare", "program.py:right", "program.py:odd", "--tasks", "tasks.jsonl", "--html", "."],
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_file_that_cannot_be_written_is_told_before_anything_runs(folder, capsys, case):
    program = (folder / "program.py").read_text()
    noting = "def right(prompt):\n    open('ran', 'w').close()"
    (folder / "program.py").write_text(program.replace("def right(prompt):", noting))

    assert main(UNWRITABLE[case]) == 2

    assert "cannot be written: " in capsys.readouterr().err
    assert not (folder / "ran").exists()


def test_mark_at_the_beginning_of_a_file_is_no_part_of_its_tasks(folder):
    (folder / "tasks.jsonl").write_text('{"prompt": "A"}', "utf-8-sig")
    assert main(["eval", "tasks.jsonl", "--program", "program.py:right"]) == 0


def test_backends_are_compared_by_name_with_one_judge(folder, monkeypatch, capsys):
    lines = [{"prompt": f"Task {number}", "requirements": ["It is kind."]} for number in range(3)]
    (folder / "judged.jsonl").write_text("\n".join(map(json.dumps, lines)))

    status = main(["compare", "ollama/a", "ollama/b", "--tasks", "judged.jsonl"])

    assert status == 2
    assert "Each model would judge its own answers" in capsys.readouterr().err
