"""The kit, run on an installed plugin by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_installed_plugin_is_judged_by_its_name(tmp_path: Path):
    report = tmp_path / "report.json"
    named = ["--mellea-strategy", "rejection", "--mellea-option", "loop_budget=4"]
    plain = ["-c", os.devnull, "-p", "mellea.testing.pytest_plugin", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *plain,
            "--pyargs",
            "mellea.testing.conformance",
            *named,
            "--mellea-report",
            str(report),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )

    told = json.loads(report.read_text())
    assert done.returncode == 0, done.stdout
    assert told["subjects"].keys() == {"rejection"}
    assert told["subjects"]["rejection"]["passed"]
    assert told["subjects"]["rejection"]["counts"]["passed"] > 10
    assert "best_attempt_is_returned" in done.stdout
