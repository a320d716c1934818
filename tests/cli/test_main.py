"""The command line as a whole: help, versions, statuses, and what is imported."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from mellea import __version__
from mellea.cli import main

COMMANDS = [
    "run",
    "show",
    "chat",
    "backends",
    "contexts",
    "strategies",
    "hooks",
    "doctor",
    "new-plugin",
    "history",
    "eval",
    "compare",
]
HEAVY = {"asyncio", "attrs", "jinja2", "pluggy", "pydantic", "torch", "toy.backend", "toy.plugin"}


def imported_by(samples, *arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends."""
    program = (
        "import json, sys; from mellea.cli import main; status = main(sys.argv[1:]); "
        "print(json.dumps([status, *sys.modules]), file=sys.stderr)"
    )
    done = samples.python("-c", program, *arguments, names=("toy-backend", "lasttwo-context"))
    status, *modules = json.loads(done.stderr)
    assert status == 0
    return set(modules)


def test_help_names_every_command(capsys):
    status = main(["--help"])

    printed = capsys.readouterr().out
    assert status == 0
    assert [command for command in COMMANDS if f"\n    {command} " in printed] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_fits_80_columns(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")

    status = main([command, "--help"])

    printed = capsys.readouterr().out
    assert status == 0
    assert printed.startswith(f"usage: mellea {command}")
    assert max(map(len, printed.splitlines())) <= 80


def test_version_is_printed(capsys):
    status = main(["--version"])

    assert (status, capsys.readouterr().out) == (0, f"mellea {__version__}\n")


def test_no_command_is_a_usage_error_that_shows_the_help(capsys):
    status = main([])

    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert "doctor" in printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["run"],
        ["run", "a", "--max-tokens", "0"],
        ["run", "a", "--max-tokens", "many"],
        ["run", "a", "--temperature", "warm"],
        ["run", "a", "--temperature", "nan"],
        ["map", "a.py", "--input", "rows.csv", "--temperature", "inf"],
        ["eval", "tasks.jsonl", "--at-least", "nan"],
        ["optimise", "a.py:f", "--examples", "-1"],
        ["serve", "a.py", "--port", "99999"],
        ["mcp", "a.py", "--http", "-1"],
        ["run", "a", "--option", "top_p"],
        ["run", "a", "--option", "=1"],
        ["run", "a", "--stream", "--json"],
        ["backends", "extra"],
    ],
)
def test_wrong_arguments_are_a_usage_error(capsys, arguments):
    status = main(arguments)

    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert "error: " in printed.err


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["chat", "--help"]])
def test_help_and_version_import_nothing_but_the_parser(samples, arguments):
    assert not HEAVY & imported_by(samples, *arguments)


@pytest.mark.parametrize("arguments", [["backends"], ["backends", "--json"], ["contexts"], ["strategies"]])
def test_listings_import_no_backend_no_template_engine_and_no_schema_library(samples, arguments):
    assert not {"jinja2", "pydantic", "torch", "toy.backend", "lasttwo.context"} & imported_by(
        samples, *arguments
    )


def test_module_runs_as_the_script_does(samples):
    done = samples.python("-m", "mellea.cli", "--version")

    assert (done.returncode, done.stdout) == (0, f"mellea {__version__}\n")


def test_installed_script_runs(samples):
    script = Path(samples.core()) / "bin" / "mellea"

    done = samples.python(str(script), "--version")

    assert (done.returncode, done.stdout) == (0, f"mellea {__version__}\n")


def test_script_is_declared():
    (script,) = entry_points(group="console_scripts", name="mellea")

    assert script.load() is main


def test_pipe_whose_reader_left_is_quiet(samples):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with samples.started("-m", "mellea.cli", "backends", names=("toy-backend",), **pipes) as process:
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (141, "")
