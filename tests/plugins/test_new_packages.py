"""What ``mellea new-plugin`` writes, as its author meets it: installed in a fresh environment, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import frozen

from tests.docs.pages import DOCS, blocks, listings
from tests.plugins.samples import Samples

PAGE = DOCS / "write-a-backend.md"
KINDS = ("backend", "context", "strategy", "requirements")
PROGRAM = "mellea-program"
TESTS = "mellea-program/tests/test_program.py"
BACKEND = "mellea-program/src/mellea_program/backend.py"
NAMES = [*(f"mellea-my-{kind}" for kind in KINDS), PROGRAM]
_GENERATE = """
import sys
from mellea.cli import main
for name in sys.argv[1:]:
    kind = name.removeprefix("mellea-my-") if "-my-" in name else "backend"
    assert main(["new-plugin", name, "--kind", kind]) == 0
"""
_BUILD = """
import os, sys
from pathlib import Path
from hatchling.build import build_wheel
folder = Path.cwd()
for name in sys.argv[1:]:
    os.chdir(folder / name)
    build_wheel(str(folder / "wheels"))
"""


@frozen
class Outside:
    """A folder of packages that are none of ours, and an environment that has them installed.

    Args:
        folder: The folder.
        python: The environment's Python.
        environment: The variables of a process in it.
    """

    folder: Path
    python: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """Run the environment's Python, and return what it printed."""
        done = subprocess.run(
            [str(self.python), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=dict(self.environment),
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def fresh_environment(folder: Path, samples: Samples) -> Path:
    """Make a virtual environment that has the core and pytest, and return its Python."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "parts.pth").write_text(f"{samples.core()}\n{samples.tools()}\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def outside(samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """One package of each kind as it is written, and the one of the page with its one file changed."""
    folder = tmp_path_factory.mktemp("outside")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MELLEA_"))}
    environment = {**kept, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)}
    there = Outside(folder, fresh_environment(folder / "venv", samples), environment)
    there.run("-c", _GENERATE, *NAMES)
    (folder / "as-written.py").write_text((folder / BACKEND).read_text())
    shown = listings(PAGE)
    for path in (BACKEND, TESTS):
        (folder / path).write_text(shown[path])
    there.run("-c", _BUILD, *NAMES)
    pip = [sys.executable, "-m", "pip", "--python", str(there.python), "--disable-pip-version-check"]
    wheels = map(str, (folder / "wheels").iterdir())
    subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", *wheels], check=True
    )
    return there


@pytest.fixture(scope="module")
def passed(outside: Outside) -> list[str]:
    """The names of the packages' own tests, all of which passed."""
    settings = ["-c", f"{NAMES[0]}/pyproject.toml", "--rootdir", ".", "--verbose"]
    printed = outside.run("-m", "pytest", *settings, *(f"{name}/tests" for name in NAMES))
    return re.findall(r"^(\S+::.+) PASSED", printed, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_package_passes_its_own_tests_at_once(passed, kind):
    own = [name for name in passed if name.startswith(f"mellea-my-{kind}/tests/test_{kind}.py::")]

    assert len(own) >= 10


def test_package_that_was_changed_in_one_file_passes_its_tests(passed):
    assert [name for name in passed if name.startswith("mellea-program/tests/test_backend.py::")]
    assert len([name for name in passed if name.startswith(f"{TESTS}::")]) == 2


def test_package_that_was_changed_in_one_file_is_used_by_name(outside):
    program = "\n".join(block.text for block in blocks(PAGE, "python"))

    assert outside.run("-c", program).strip() == "The sea is wide."


def test_backends_of_others_are_listed_like_our_own(outside):
    rows = json.loads(outside.run("-m", "mellea.cli", "backends", "--json", "--check"))

    told = {row["name"]: (row["distribution"], row["version"], row["status"]) for row in rows}
    assert told == {
        "my-backend": ("mellea-my-backend", "0.1.0", "ok"),
        "program": (PROGRAM, "0.1.0", "ok"),
    }


@pytest.mark.parametrize("command", [("format", "--check"), ("check", "--select", "E,F,B,UP,ANN,D417")])
def test_what_is_written_keeps_to_the_common_style(outside, command):
    written = [str(outside.folder / name / "src") for name in NAMES]
    ruff = [sys.executable, "-m", "ruff", command[0], "--isolated", *command[1:]]

    done = subprocess.run([*ruff, *written], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_page_shows_what_is_written(outside):
    shown = listings(PAGE)

    for path in ("mellea-program/pyproject.toml", "mellea-program/src/mellea_program/plugin.py"):
        assert (outside.folder / path).read_text() == shown[path]
    before, after = (outside.folder / "as-written.py").read_text(), shown[BACKEND]
    assert before.partition("class ProgramBackend")[2] == after.partition("class ProgramBackend")[2]
