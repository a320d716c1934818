import sys
from pathlib import Path

from mypy import api

ROOT = Path(__file__).parents[2]


def test_types_are_known_to_a_checker(monkeypatch):
    monkeypatch.chdir(ROOT)
    programs = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/typing/*.py"))
    place = ["--python-executable", sys.executable, "--cache-dir", str(ROOT / ".mypy_cache")]

    out, err, status = api.run(["--config-file", "pyproject.toml", *place, *programs])

    assert (out, err, status) == (f"Success: no issues found in {len(programs)} source files\n", "", 0)
