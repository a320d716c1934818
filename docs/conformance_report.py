"""Writes the kit's report on our backends and compositions into conformance.md.

python docs/conformance_report.py [REPORT.json]

Without a report it makes one, by running the kit's tests on them. A whole run of the
tests makes one too: make test ARGS="--mellea-report report.json".
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mellea.testing.conformance.report import Report

PAGE = Path(__file__).with_name("conformance.md")
TABLES = (
    ("hf", "litellm", "ollama", "openai"),
    ("fallback", "router", "cached", "limited", "recorded"),
)
"""What is shown beside each other."""
_TESTS = (
    "tests/hf/test_hf_conformance.py",
    "tests/litellm/test_litellm_conformance.py",
    "tests/ollama/test_ollama_conformance.py",
    "tests/openai/test_openai_conformance.py",
    "tests/composition/test_composition_conformance.py",
)


def with_tables(text: str, report: Mapping[str, Any]) -> str:
    """Return a page with its tables as a report says."""
    tables = iter(Report.from_dict(report, names).markdown() for names in TABLES)
    pattern = re.compile(r"^\| what holds \|.*\n(\|.*\n)*", re.MULTILINE)
    return pattern.sub(lambda _: next(tables), text)


def made_report() -> dict[str, Any]:
    """Run the kit, and return its report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", "--mellea-report", str(path)]
        subprocess.run([*command, *_TESTS], cwd=PAGE.parents[1], check=True)
        report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return report


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text("utf-8")) if sys.argv[1:] else None
    report = given or made_report()
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), report), "utf-8")
