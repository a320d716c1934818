"""The report on our backends says what the kit's tests are, and what is left out of them."""

from __future__ import annotations

import pytest

from mellea.testing.conformance import BackendConformance
from mellea.testing.conformance.terms import terms_of
from tests.docs.pages import DOCS, table
from tests.hf import test_hf_conformance
from tests.litellm import test_litellm_conformance
from tests.ollama import test_ollama_conformance
from tests.openai import test_openai_conformance

ABOUT = {known.about.replace("``", "`"): known for known in terms_of(BackendConformance)}


def test_report_has_every_test_of_the_kit():
    assert sorted(row[0] for row in table(DOCS / "conformance.md", "what holds")) == sorted(ABOUT)


@pytest.mark.parametrize(
    ("column", "judged"),
    [
        (1, test_hf_conformance.TestHF),
        (2, test_litellm_conformance.TestLiteLLM),
        (3, test_ollama_conformance.TestOllama),
        (4, test_openai_conformance.TestOpenAI),
    ],
)
def test_report_says_what_is_left_out_and_what_is_not_declared(column, judged):
    declared = judged.registration().manifest.capabilities
    left_out = judged.left_out()

    for row in table(DOCS / "conformance.md", "what holds"):
        known = ABOUT[row[0]]
        expected = {"left out"} if known.name in left_out else {"yes", "undeclared", "-"}
        if known.name not in left_out and (known.shows is None or known.shows in declared):
            expected = {"yes", "undeclared"} if known.shows else {"yes"}
        assert row[column] in expected, row[0]
