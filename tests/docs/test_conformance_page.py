"""The report on our backends says what the kit's tests are, and what is left out of them."""

from __future__ import annotations

import runpy

import pytest

from mellea.testing.conformance import BackendConformance
from mellea.testing.conformance.terms import terms_of
from tests.composition import test_composition_conformance
from tests.docs.pages import DOCS, tables
from tests.hf import test_hf_conformance
from tests.litellm import test_litellm_conformance
from tests.ollama import test_ollama_conformance
from tests.openai import test_openai_conformance

PAGE = DOCS / "conformance.md"
ABOUT = {known.about.replace("``", "`"): known for known in terms_of(BackendConformance)}
JUDGED = {
    made.subject(): made
    for module in (
        test_composition_conformance,
        test_hf_conformance,
        test_litellm_conformance,
        test_ollama_conformance,
        test_openai_conformance,
    )
    for name, made in vars(module).items()
    if name.startswith("Test")
}
GENERATOR = runpy.run_path(str(DOCS / "conformance_report.py"))
SHOWN = [
    (number, column, name)
    for number, names in enumerate(GENERATOR["TABLES"])
    for column, name in enumerate(names)
]


def test_report_has_every_test_of_the_kit():
    for names, rows in zip(GENERATOR["TABLES"], tables(PAGE, "what holds"), strict=True):
        judged_nowhere = set.intersection(*(set(JUDGED[name].left_out()) for name in names))
        expected = {about for about, known in ABOUT.items() if known.name not in judged_nowhere}
        assert {row[0] for row in rows[1:]} == expected


@pytest.mark.parametrize(("number", "column", "name"), SHOWN)
def test_report_says_what_is_left_out_and_what_is_not_declared(number, column, name):
    """Where it does not, write it again: python docs/conformance_report.py."""
    judged = JUDGED[name]
    declared = judged.registration().manifest.capabilities
    left_out = judged.left_out()
    heading, *rows = tables(PAGE, "what holds")[number]

    assert heading[column + 1] == name
    for row in rows:
        known = ABOUT[row[0]]
        expected = {"left out"} if known.name in left_out else {"yes", "undeclared", "-"}
        if known.name not in left_out and (known.shows is None or known.shows in declared):
            expected = {"yes", "undeclared"} if known.shows else {"yes"}
        assert row[column + 1] in expected, row[0]


def test_tables_are_made_from_a_report():
    test = {"level": "contract", "about": "It ``answers``.", "outcome": "passed"}
    names = [name for names in GENERATOR["TABLES"] for name in names]
    report = {"subjects": {name: {"tests": {"test_it[whole]": test}, "left_out": {}} for name in names}}

    written = GENERATOR["with_tables"]("Before.\n\n| what holds | x |\n\n| what holds | y |\n", report)

    lines = written.splitlines()
    assert lines[2] == "| what holds | hf | litellm | ollama | openai |"
    assert lines[4] == "| It `answers`. | yes | yes | yes | yes |"
    assert lines[6].startswith("| what holds | fallback |")
