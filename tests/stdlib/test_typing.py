import sys
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    [
        "session_types",
        "session_misuse",
        "sampling_types",
        "generative_functions",
        "mified_objects",
        "streaming_types",
    ],
)
def test_types_are_known_to_a_checker(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = [
        "--python-executable",
        sys.executable,
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
        f"tests/typing/{name}.py",
    ]
    out, err, status = api.run(["--config-file", "pyproject.toml", *arguments])
    assert (out, err, status) == ("Success: no issues found in 1 source file\n", "", 0)
