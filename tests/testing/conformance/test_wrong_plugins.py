"""The kit lets a right backend through, and fails each wrong plugin for what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testing.conformance import wrong_others, wrong_requirements
from tests.testing.conformance.wrong_backends import WRONG, HidesLogprobs

ALL_WRONG = {**WRONG, **wrong_others.WRONG, **wrong_requirements.WRONG}


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the kit says of all of them."""
    report = tmp_path_factory.mktemp("kit") / "report.json"
    judged = Path(__file__).with_name("judged.py")
    plain = ["-c", os.devnull, "--confcutdir", str(judged.parent), "-p", "mellea.testing.pytest_plugin"]
    options = ["-W", "error", "-p", "no:cacheprovider", "--tb=line", "--mellea-report", str(report)]
    subprocess.run(
        [sys.executable, "-m", "pytest", *plain, *options, str(judged)],
        check=False,
        capture_output=True,
        timeout=300,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    told: dict[str, Any] = json.loads(report.read_text())["subjects"]
    return told


def failures(subject: dict[str, Any]) -> set[str]:
    return {
        name.partition("[")[0].removeprefix("test_")
        for name, test in subject["tests"].items()
        if test["outcome"] in ("failed", "error")
    }


def test_right_backend_passes(subjects):
    right = subjects["RightBackend"]

    assert failures(right) == set()
    assert right["undeclared"] == []
    assert right["counts"]["passed"] > 70


@pytest.mark.parametrize(("made", "expected"), ALL_WRONG.items(), ids=[made.__name__ for made in ALL_WRONG])
def test_wrong_plugin_fails_for_what_is_wrong(subjects, made, expected):
    assert failures(subjects[made.__name__]) == expected


def test_what_is_not_declared_is_reported(subjects):
    assert subjects[HidesLogprobs.__name__]["undeclared"] == ["logprobs"]
    assert subjects[HidesLogprobs.__name__]["passed"]
