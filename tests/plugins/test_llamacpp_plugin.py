"""The plugin for llama.cpp as its author publishes it: installed, and judged by its own tests and the kit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, EXAMPLES, listings

SOURCE = EXAMPLES / "plugins" / "mellea-llamacpp"
MODULES = sorted((SOURCE / "src").rglob("*.py"))
PAGE = listings(DOCS / "llamacpp-plugin.md")
INSTALL = (
    "-m pip --disable-pip-version-check install --no-deps --no-index --no-build-isolation --target site ."
)


def run(*arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MELLEA_", "PYTEST_"))}
    path = os.pathsep.join([str(project / "site"), os.environ.get("PYTHONPATH", "")])
    settings = {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env={**kept, **settings}, cwd=project, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the kit says of the plugin, whose own tests pass, installed from a copy."""
    project = Path(shutil.copytree(SOURCE, tmp_path_factory.mktemp("published") / "mellea-llamacpp"))
    installed = run(*INSTALL.split(), project=project)
    assert installed.returncode == 0, installed.stderr
    judged = run("-m", "pytest", "-q", "tests", "--mellea-report", "report.json", project=project)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    return json.loads((project / "report.json").read_text())["subjects"]["llamacpp"]


def test_installed_plugin_passes_its_own_tests_and_the_kit(report):
    assert report["passed"]
    assert report["undeclared"] == ["n_samples"]


def test_every_level_of_the_kit_was_judged(report):
    assert {test["level"] for test in report["tests"].values()} == {"manifest", "contract", "live"}
    assert {reason.partition(",")[0].partition(" plays ")[0] for reason in report["left_out"].values()} == {
        "its scripted provider",
        "it loads no second file",
    }


def test_source_of_the_plugin_is_small():
    lines = [line for module in MODULES for line in module.read_text().splitlines() if line.strip()]

    assert len(lines) < 250


@pytest.mark.parametrize("title", PAGE)
def test_listing_on_the_page_is_the_file(title):
    assert PAGE[title] == (SOURCE.parent / title).read_text()


def test_page_shows_every_module():
    shown = [module for module in MODULES if module.name != "__init__.py"]

    assert {str(module.relative_to(SOURCE.parent)) for module in shown} <= PAGE.keys()
