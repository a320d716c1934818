"""Comparing: what is found, and what is said of it."""

from __future__ import annotations

import io
import json

import pytest

from mellea.core import UsageError
from mellea.core.price import Price
from mellea.evaluation import Candidate, Task, compare
from mellea.testing import Fault, ScriptedBackend

TASKS = [Task(f"Task {number}", requirements=[{"one_of": ["right", "good"]}]) for number in range(120)]


def right(prompt):
    return "right"


def wrong(prompt):
    return "wrong"


def good(prompt):
    return "good"


def half(prompt):
    return "right" if int(prompt.split()[-1]) % 2 else "wrong"


def failing(prompt):
    raise RuntimeError("out of paper")


@pytest.mark.parametrize(
    ("a", "b", "finding", "said"),
    [
        (right, wrong, "a", "right is better than wrong: 100% to 0% of 9 tasks"),
        (wrong, right, "b", "right is better than wrong: 100% to 0%"),
        (right, good, "no difference", "No difference of 15 points or more between right and good: 100% to"),
        (wrong, Candidate(wrong, name="same"), "no difference", "neither succeeds in any of 26 tasks"),
        (right, Candidate(right, name="same"), "no difference", "they gave the same answer in each of 26"),
        (right, failing, "b", None),
    ],
)
def test_findings_are_told_in_words(a, b, finding, said):
    found = compare(a, b, TASKS)

    if said is None:
        assert (found.finding, len(found.pairs), found.is_decided) == ("failing", 5, False)
        assert "failing failed in each of the first 5 tasks, which compares nothing" in found.why
        assert "RuntimeError: out of paper" in found.why
    else:
        assert found.finding == finding
        assert said in found.why
        assert len(found.pairs) < 40


def test_two_sides_that_fail_are_both_named():
    found = compare(failing, Candidate(failing, name="other"), TASKS)

    assert found.why.startswith("Both sides failed in each of the first 5 tasks")


def test_tasks_that_run_out_leave_it_undecided_and_say_how_many_it_takes():
    found = compare(half, right, TASKS[:6])

    assert (found.finding, found.winner, found.is_decided) == ("undecided", None, False)
    assert found.why.startswith("The 6 tasks are used up, and it is undecided between half and right")
    assert "give about" in found.why


def test_one_gives_up_after_a_stated_number():
    found = compare(half, right, TASKS, at_most=5)

    assert (found.finding, len(found.pairs), found.tasks) == ("undecided", 5, 5)


def test_same_candidate_twice_is_refused_before_anything_is_paid():
    with pytest.raises(UsageError, match="Both sides are right"):
        compare(right, right, TASKS)


def test_order_of_the_tasks_is_shuffled_and_repeatable():
    orders = [[pair.a.task for pair in compare(right, wrong, TASKS, seed=seed).pairs] for seed in (1, 1, 2)]

    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0], key=int)


def test_costs_are_told_for_each_point():
    backend = ScriptedBackend({"better": "right", "": "a b c"})

    async def twice(session, prompt):
        await session.achat(prompt)
        return await session.achat(f"{prompt} better")

    found = compare(Candidate(backend=backend, name="once"), Candidate(twice, backend), TASKS)

    assert found.finding == "b"
    assert found.requests_per_point == pytest.approx(0.01)
    assert found.tokens_per_point == pytest.approx(0.04)
    assert found.spent.requests >= 3 * len(found.pairs)
    out = io.StringIO()
    found.show(out)
    assert "Each point costs 0.0 tokens and 0.010 requests a task." in out.getvalue()
    assert "once alone 0, " in out.getvalue()


def test_cheaper_of_two_equal_sides_is_named():
    long = ScriptedBackend(lambda request: "right " + "word " * 30)
    tasks = [Task(f"Task {number}", requirements=[{"contains": "right"}]) for number in range(60)]

    sides = [
        Candidate(backend=each, name=name)
        for name, each in (("long", long), ("short", ScriptedBackend("right")))
    ]
    found = compare(*sides, tasks)

    assert found.why.endswith("short takes 91% fewer tokens.")


def test_errors_count_as_failures_of_their_task():
    backend = ScriptedBackend(
        lambda request: Fault.rate_limit() if "1" in request.messages[-1].content else "right"
    )

    found = compare(right, Candidate(backend=backend, name="limited"), TASKS)

    assert found.finding == "a"
    assert found.sides[1].errors > 0


def test_share_of_requirements_can_count():
    tasks = [
        Task(str(number), requirements=[{"contains": "a"}, {"contains": "b"}, {"contains": "c"}])
        for number in range(120)
    ]

    def ab(prompt):
        return "ab"

    def nothing(prompt):
        return "x"

    found = compare(ab, nothing, tasks, by="share")

    assert (found.finding, round(found.difference, 2)) == ("a", 0.67)
    assert compare(ab, nothing, tasks).finding == "no difference"


def test_comparison_is_written_as_json_and_as_a_page(tmp_path):
    found = compare(right, wrong, TASKS)
    found.save(tmp_path / "found.json")
    found.save(tmp_path / "found.html")

    told = json.loads((tmp_path / "found.json").read_text())
    assert (told["finding"], told["winner"], told["pairs"]) == ("a", "right", len(found.pairs))
    assert "right is better than wrong" in (tmp_path / "found.html").read_text()


@pytest.mark.parametrize("settings", [{"at_most": 0}, {"concurrency": True}, {"least": 15}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(UsageError):
        compare(right, wrong, TASKS, **settings)


def test_price_of_a_point_is_told_where_the_prices_are_known():
    backend = ScriptedBackend("right")
    backend.price = Price(1_000.0, 1_000.0)

    found = compare(wrong, Candidate(backend=backend, name="paid"), TASKS)

    assert found.winner == "paid"
    assert found.cost_per_point == pytest.approx(0.00003)
    assert "and $0.000030." in found.table()
    assert "$ a task" in found.table()
    assert found.to_dict()["cost_per_point"] == found.cost_per_point
