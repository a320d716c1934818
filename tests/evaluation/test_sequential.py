"""The paired test: its errors and what it saves, by simulation; and what it says in the corners."""

from __future__ import annotations

import math
import random

import pytest

from mellea.core import UsageError
from mellea.evaluation import PairedTest, mcnemar_pairs, wilson_interval

NULLS = {  # the success rate of both sides, and how often they differ
    "coins": (0.5, 0.5),
    "good and unrelated": (0.8, 0.32),
    "poor and alike": (0.3, 0.2),
    "nearly the same": (0.6, 0.08),
}


def simulated(draw, a_alone, b_alone, most=600):
    """Run the test on pairs of which one side alone succeeds so often, and return it."""
    test = PairedTest()
    while test.finding is None and test.pairs < most:
        u = draw.random()
        test.add(u < a_alone, a_alone <= u < a_alone + b_alone)
    return test


def exact_mcnemar_power(pairs, difference, discordance):
    """Return how often the exact two-sided test at 5% finds the better side with so many pairs."""

    def binomial(n, k, p):
        return math.comb(n, k) * p**k * (1 - p) ** (n - k)

    share, power = (1 + difference / discordance) / 2, 0.0
    for differing in range(1, pairs + 1):
        tail, wins = 0.0, differing + 1
        while wins and 2 * (tail + binomial(differing, wins - 1, 0.5)) <= 0.05:
            wins -= 1
            tail += binomial(differing, wins, 0.5)
        found = sum(binomial(differing, won, share) for won in range(wins, differing + 1))
        power += binomial(pairs, differing, discordance) * found
    return power


def test_equal_sides_are_told_apart_in_at_most_5_percent_of_1000_runs():
    draw = random.Random(1)
    findings = [
        simulated(draw, discordance / 2, discordance / 2).finding
        for _, discordance in NULLS.values()
        for _ in range(250)
    ]

    assert len(findings) == 1000
    assert sum(finding in ("a", "b") for finding in findings) <= 50


@pytest.mark.parametrize(("discordance", "fixed"), [(0.3, 143), (0.4, 193)])
def test_15_points_take_40_percent_less_than_a_fixed_number_of_pairs(discordance, fixed):
    draw = random.Random(2)
    runs = [simulated(draw, (discordance + 0.15) / 2, (discordance - 0.15) / 2) for _ in range(800)]

    assert exact_mcnemar_power(fixed, 0.15, discordance) >= 0.9
    assert exact_mcnemar_power(fixed - 8, 0.15, discordance) < 0.9
    assert sum(run.pairs for run in runs) / len(runs) <= 0.6 * fixed
    assert sum(run.finding == "a" for run in runs) / len(runs) >= 0.83
    assert sum(run.finding == "b" for run in runs) / len(runs) <= 0.01


def test_scores_are_compared_by_their_means():
    draw = random.Random(3)
    runs = [PairedTest() for _ in range(200)]
    for run in runs:
        while run.finding is None and run.pairs < 300:
            run.add(min(draw.random() * 0.8 + 0.2, 1), draw.random() * 0.8)

    assert sum(run.finding == "a" for run in runs) >= 180


def test_equal_scores_are_hardly_ever_told_apart():
    draw = random.Random(4)
    runs = [PairedTest() for _ in range(300)]
    for run in runs:
        while run.finding is None and run.pairs < 300:
            run.add(draw.random(), draw.random())

    assert sum(run.finding in ("a", "b") for run in runs) <= 15


def test_nothing_but_ties_ends_with_no_difference():
    test = PairedTest()
    pairs = next(number for number in range(1, 100) if test.add(1, 1) is not None)

    assert (test.finding, pairs < 30, test.difference, test.discordance) == ("no difference", True, 0.0, 0.0)


def test_a_finding_stays():
    test = PairedTest(least=0.3)
    for _ in range(10):
        test.add(0, 1)
    for _ in range(50):
        test.add(1, 0)

    assert (test.finding, test.pairs, test.b_ahead) == ("b", 60, 10)


@pytest.mark.parametrize("wrong", [{"least": 0}, {"least": 1.5}, {"error": True}, {"error": "5%"}])
def test_bounds_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match="between 0 and 1"):
        PairedTest(**wrong)


def test_outcomes_out_of_range_are_refused():
    with pytest.raises(UsageError, match="from 0 to 1"):
        PairedTest().add(2, 0)


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [(0, 0, 0, 1), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (8, 10, 0.4902, 0.9433), (1, 2, 0.0945, 0.9055)],
)
def test_wilson_interval(passed, total, low, high):
    assert wilson_interval(passed, total) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("wrong", [(3, 2), (-1, 2), (1, 2, 1.0)])
def test_interval_of_what_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        wilson_interval(*wrong)


def test_pairs_of_the_fixed_test_are_those_of_the_formula():
    assert [mcnemar_pairs(0.15, each) for each in (0.1, 0.3, 0.5)] == [66, 136, 230]
