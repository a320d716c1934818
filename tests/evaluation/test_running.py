"""Running tasks: programs of every kind, errors, reports."""

from __future__ import annotations

import asyncio
import html.parser
import io
import json
import threading

import pytest
from pydantic import BaseModel

from mellea import MelleaSession, generative, start_session
from mellea.core import RateLimitError, Usage, UsageError
from mellea.core.price import Price
from mellea.evaluation import Candidate, Task, aevaluate, evaluate
from mellea.testing import Fault, Reply, ScriptedBackend

SHORT = {"words": {"at_most": 2}}


class Person(BaseModel):
    name: str


async def asynchronous(session, prompt):
    return await session.achat(prompt)


def with_inputs(m: MelleaSession, first, second=""):
    return f"{first}{second}"


def of_any_name(the_session: MelleaSession, row):
    return Person(name=row["name"])


def without_session(prompt):
    return prompt.upper()


def sampled(m, prompt):
    return m.instruct(prompt, return_sampling_results=True)


def in_itself(session, **inputs):
    return inputs


@generative
def name_of(text: str) -> str:
    """Return the name in a text."""


@generative
async def aname_of(text: str) -> str:
    """Return the name in a text."""


@pytest.mark.parametrize(
    ("program", "task", "text"),
    [
        (None, Task("Hi"), "Ada"),
        (asynchronous, Task("Hi"), "Ada"),
        (with_inputs, Task(inputs={"first": "a", "second": "b"}), "ab"),
        (with_inputs, Task("Hi", inputs={"first": "a"}), "a"),
        (of_any_name, Task(inputs={"name": "Ada"}), '{"name":"Ada"}'),
        (without_session, Task("hi"), "HI"),
        (sampled, Task("Hi"), "Ada"),
        (in_itself, Task(inputs={"a": 1}), '{"a": 1}'),
    ],
)
def test_programs_of_every_kind(program, task, text):
    report = evaluate([task], Candidate(program, ScriptedBackend("Ada"), name="it"))

    assert [(one.text, one.error) for one in report.outcomes] == [(text, None)]


@pytest.mark.parametrize("program", [name_of, aname_of])
def test_typed_functions_are_programs(program):
    report = evaluate(
        [Task(inputs={"text": "Ada came."}, requirements=[{"one_of": ["Ada"]}])],
        Candidate(program, ScriptedBackend('{"result": "Ada"}')),
    )

    assert [(one.text, one.success) for one in report.outcomes] == [("Ada", True)]


def test_inputs_fill_the_prompt():
    backend = ScriptedBackend("x")
    evaluate([Task("Write to {{name}}.", inputs={"name": "Ada"}), Task("Keep {{this}}.")], backend)

    assert sorted(backend.prompts) == ["Keep {{this}}.", "Write to Ada."]


def test_calls_and_tokens_are_counted_apart_from_the_judges():
    backend = ScriptedBackend("one two", failures={"It is kind.": 1})

    report = evaluate([Task("Say it", requirements=["It is kind.", SHORT])], backend)

    outcome = report.outcomes[0]
    assert (outcome.spent.requests, outcome.spent.tokens) == (1, 4)
    assert (outcome.judged.requests, outcome.judged.tokens > 10) == (1, True)
    assert [(one.requirement, one.met) for one in outcome.verdicts] == [
        ("It is kind.", False),
        ("Use at most 2 words.", True),
    ]
    assert (outcome.success, outcome.share) == (False, 0.5)


def test_failing_task_is_reported_and_the_others_go_on():
    backend = ScriptedBackend(
        lambda request: Fault.rate_limit() if "2" in request.messages[-1].content else "a"
    )

    report = evaluate([Task(f"Task {number}", requirements=[SHORT]) for number in range(4)], backend)

    assert [one.error is None for one in report.outcomes] == [True, True, False, True]
    assert RateLimitError.__name__ in report.outcomes[2].error
    assert (report.errors, report.summaries[0].success.passed) == (1, 3)
    assert report.summaries[0].requirements[0].total == 3


def test_mistakes_of_programs_are_reported_too():
    def broken(prompt):
        raise KeyError("x")

    def takes_nothing(m):
        return "a"

    async def cancelled(prompt):
        raise asyncio.CancelledError

    report = evaluate([Task("a")], broken, Candidate(takes_nothing, ScriptedBackend()), cancelled)

    errors = [one.error.partition(":")[0] for one in report.outcomes]
    assert errors == ["KeyError", "UsageError", "CancelledError"]


def test_failing_judge_is_an_error_and_no_verdict():
    judge = ScriptedBackend(Fault.rate_limit())

    report = evaluate([Task("a", requirements="It is kind.")], ScriptedBackend("x"), judge=judge)

    assert report.outcomes[0].error.startswith("It could not be judged: RateLimitError")
    assert (report.outcomes[0].text, report.outcomes[0].success) == ("x", False)


async def test_tasks_run_side_by_side_within_a_bound():
    running = most = 0

    async def program(prompt):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return prompt

    await aevaluate([Task(str(number)) for number in range(12)], program, concurrency=3)

    assert most == 3


def test_sessions_are_apart_and_the_backend_stays_open():
    backend = ScriptedBackend("x")
    seen = []

    def program(session, prompt):
        seen.append(session)
        return session.chat(prompt)

    evaluate([Task("a"), Task("b")], Candidate(program, backend))

    assert len({id(session) for session in seen}) == 2
    assert all(session.closed for session in seen)
    assert not backend.closed


@pytest.mark.parametrize(
    ("candidates", "settings", "said"),
    [
        ([ScriptedBackend("a"), ScriptedBackend("b")], {}, "Two candidates are called"),
        ([7], {}, "nothing that answers tasks"),
        (["none.py:f"], {}, "There is no file none.py"),
        ([without_session], {"concurrency": 0}, "concurrency is 0"),
        ([without_session], {"time_limit": 0}, "time_limit is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(candidates, settings, said):
    with pytest.raises(UsageError, match=said):
        evaluate([Task("a")], *candidates, **settings)


def test_models_do_not_each_judge_their_own_answers():
    sides = [Candidate(backend=ScriptedBackend("a"), name=name) for name in "ab"]
    judge = ScriptedBackend(failures={})

    with pytest.raises(UsageError, match="Each model would judge its own"):
        evaluate([Task("a", requirements="It is kind.")], *sides)
    report = evaluate([Task("a", requirements="It is kind.")], *sides, judge=judge)

    assert [one.success for one in report.outcomes] == [True, True]


# Reports


@pytest.fixture
def report():
    backend = ScriptedBackend(["one", "one two three", Fault.rate_limit()])
    tasks = [Task(f"<b>Ask</b> {number}", requirements=[SHORT], id=f"t{number}") for number in range(3)]
    return evaluate(tasks, Candidate(backend=backend, name="it"), concurrency=1)


def test_table_has_rates_intervals_and_errors(report):
    out = io.StringIO()
    report.show(out)

    lines = out.getvalue().splitlines()
    assert lines[1].split()[:6] == ["it", "1/3", "33%", "6", "to", "79%"]
    assert lines[2].split("  ")[1:2] == ["Use at most 2 words."]
    assert lines[3].startswith("✗ t2 with it: RateLimitError: ")


def test_json_has_everything_and_the_summary_of_08(report):
    told = json.loads(report.to_json())

    assert told["summary"] == {
        "total_tests": 3,
        "total_inputs": 3,
        "passed_inputs": 1,
        "failed_inputs": 2,
        "overall_pass_rate": 1 / 3,
    }
    assert told["candidates"][0]["requirements"][0]["rate"] == 0.5
    assert told["candidates"][0]["interval"] == pytest.approx([0.0615, 0.7923], abs=1e-4)
    assert [one["success"] for one in told["results"]] == [True, False, False]


def test_page_needs_nothing_else_and_shows_text_as_text(report, tmp_path):
    report.save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    parser = html.parser.HTMLParser()
    tags = []
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(page)

    assert "&lt;b&gt;Ask&lt;/b&gt; 0" in page
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags}
    assert not [attributes for _, attributes in tags if {"src", "href"} & set(attributes)]
    assert "RateLimitError" in page
    assert "6 to 79%" in page


def test_session_is_not_needed_where_nothing_asks_for_one(monkeypatch):
    monkeypatch.setenv("MELLEA_BACKEND", "none-such")

    assert evaluate([Task("a", requirements=[SHORT])], without_session).outcomes[0].success
    with pytest.raises(Exception, match="none-such"):
        start_session()


@pytest.mark.parametrize(
    ("price", "cost", "shown"),
    [(Price(1.0, 2.0), 0.004, "$0.0040"), (None, None, "unknown"), (Price(0.0, 0.0), 0.0, "")],
)
def test_answers_are_reported_with_what_they_cost(price, cost, shown):
    backend = ScriptedBackend(Reply("a lamp", usage=Usage(2_000, 1_000)))
    backend.price = price

    report = evaluate([Task("Name a thing.", requirements=[SHORT])], backend)

    spent = report.summaries[0].spent
    assert (spent.to_dict()["cost"], spent.whole_cost) == (cost, cost)
    assert ("cost" in report.table().splitlines()[0]) == bool(shown)
    assert shown in report.table()
    assert shown in report.to_html()


@pytest.mark.parametrize("kind", ["waits", "blocks"])
def test_program_that_hangs_ends_with_its_time_limit(kind):
    released = threading.Event()

    async def waits(prompt):
        await asyncio.Event().wait()

    def blocks(prompt):
        released.wait()

    report = evaluate([Task("Hi.")], Candidate(locals()[kind]), time_limit=0.01)
    released.set()

    assert report.outcomes[0].error == "TimeoutError: It took longer than the time limit of 0.01 s."
