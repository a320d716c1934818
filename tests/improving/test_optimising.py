"""Improving a program: what is tried, what is kept, and what is refused."""

from __future__ import annotations

import io
import json

import pytest

from mellea import MelleaSession, generative, load_prompts, start_session
from mellea.core import AuthenticationError, Budget, BudgetError, UsageError
from mellea.core.price import Price
from mellea.evaluation import Task
from mellea.improving import aoptimise, choose_examples, optimise
from mellea.stdlib.requirements import one_of
from mellea.testing import Fault, ScriptedBackend

TASKS = [
    Task(inputs={"text": f"Thing {number}"}, requirements=[{"matches": "THING"}]) for number in range(30)
]


@generative
async def name_of(text: str) -> str:
    """Name the thing."""


async def written(m: MelleaSession, text: str) -> object:
    return await m.ainstruct("Name {{text}}.", user_variables={"text": text})


async def formatted(m: MelleaSession, text: str) -> object:
    return await m.ainstruct(f"Name {text}.")


def proposes(new, *, shouts="capitals", examples=False):
    """Return a script that proposes words, and follows them in its answers."""

    def answer(request):
        prompt = request.messages[-1].content
        if "better_text" in prompt:
            return json.dumps({"result": new(prompt) if callable(new) else new})
        good = shouts in prompt or (examples and "Examples of calls" in prompt)
        text = "THING" if good else "thing"
        return json.dumps({"result": text}) if "JSON object" in prompt else text

    return ScriptedBackend(answer)


def test_better_words_win_and_the_program_loads_them(tmp_path):
    backend = proposes("Name the thing in capitals.")

    found = optimise(name_of, TASKS, backend=backend)

    assert (found.verdict, found.before, found.after) == ("better", 0.0, 1.0)
    assert "name_of, improved" in found.why
    assert [one.now for one in found.prompts.texts] == ["Name the thing in capitals."]
    assert found.comparison.winner.endswith("improved")
    searched = {outcome.task for outcome in found.comparison.report.outcomes}
    assert len(searched) >= 9
    reflected = next(prompt for prompt in backend.prompts if "better_text" in prompt)
    assert "Wrong: " in reflected
    assert "Answered: thing" in reflected
    found.save(tmp_path / "prompts.json")
    with load_prompts(tmp_path / "prompts.json"), start_session(backend) as m:
        assert m.instruct("x").value  # words of other programs change nothing
    assert "capitals" in json.loads((tmp_path / "prompts.json").read_text())["texts"][0]["now"]
    shown = io.StringIO()
    found.show(shown)
    assert "- Name the thing.\n+ Name the thing in capitals." in shown.getvalue()


def test_tasks_of_the_comparison_are_not_those_of_the_search():
    backend = proposes("Name the thing in capitals.")

    found = optimise(name_of, TASKS, backend=backend)

    compared = {outcome.question for outcome in found.comparison.report.outcomes}
    reflected = "".join(prompt for prompt in backend.prompts if "better_text" in prompt)
    assert [question for question in compared if f"Asked: {question}\n" in reflected] == []


def test_variables_of_a_task_are_kept_and_words_without_them_are_repaired():
    asked = []

    def new(prompt):
        asked.append(prompt)
        return "In capitals, name it." if len(asked) == 1 else "In capitals, name {{text}}."

    found = optimise(written, TASKS, backend=proposes(new))

    assert found.verdict == "better"
    assert (found.prompts.texts[0].kind, found.prompts.texts[0].now) == (
        "task",
        "In capitals, name {{text}}.",
    )


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("Name it well.", "Refused: the program meets 0% of the requirements of 10 tasks, and none of"),
        ("Name the thing.", "and no other words were found to try"),
    ],
)
def test_candidate_that_wins_nothing_is_refused_with_figures(new, said, tmp_path):
    found = optimise(name_of, TASKS, backend=proposes(new), rounds=3)

    assert (found.verdict, found.comparison) == ("refused", None)
    assert said in found.why
    with pytest.raises(UsageError, match="no better prompts to save"):
        found.save(tmp_path / "prompts.json")


def test_words_that_fit_the_searched_tasks_alone_are_refused():
    found = optimise(name_of, TASKS, backend=ScriptedBackend(_learns_by_heart()), rounds=2)

    assert (found.verdict, found.before, found.after) == ("refused", 0.0, 1.0)
    assert "100%, but not on others. " in found.why
    assert found.comparison.finding in ("no difference", "undecided")


def _learns_by_heart():
    """Return a script whose new words hold for what it was asked before they were proposed."""
    seen = set()

    def answer(request):
        prompt = request.messages[-1].content
        if "better_text" in prompt:
            return json.dumps({"result": "Name the thing in capitals."})
        question = prompt.partition("Arguments:")[2].split("\n")[1]
        if "capitals" not in prompt and len(seen) < 10:
            seen.add(question)
        return json.dumps({"result": "THING" if "capitals" in prompt and question in seen else "thing"})

    return answer


def test_examples_are_taken_where_they_help_and_only_of_calls_that_went_well():
    def answer(request):
        prompt = request.messages[-1].content
        if "better_text" in prompt:
            return json.dumps({"result": "Name it well."})
        good = "Examples of calls" in prompt or "3" in prompt.partition("Arguments:")[2].split("\n")[1]
        return json.dumps({"result": "THING" if good else "thing"})

    found = optimise(name_of, TASKS, backend=ScriptedBackend(answer), rounds=2)

    assert found.verdict == "better"
    assert found.prompts.texts == ()
    assert {one.result for one in found.prompts.examples} == {"THING"}
    assert all("3" in one.arguments for one in found.prompts.examples)


def test_program_that_loads_prompts_is_improved_on_from_there(tmp_path):
    first = optimise(name_of, TASKS, backend=proposes("Name the thing in capitals."))
    loaded = first.prompts(name_of)
    backend = proposes("Name the thing in capitals, loudly.", shouts="loudly")

    found = optimise(loaded, TASKS, backend=backend)

    (text,) = found.prompts.texts
    assert (found.verdict, text.was, text.now) == (
        "better",
        "Name the thing.",
        "Name the thing in capitals, loudly.",
    )


@pytest.mark.parametrize(
    ("program", "tasks", "settings", "error", "said"),
    [
        (name_of, TASKS[:12], {}, UsageError, "12 tasks are too few"),
        (formatted, TASKS, {}, UsageError, "formatted on .* says nothing twice"),
        (name_of, TASKS, {"budget": Budget(attempts=3)}, BudgetError, "does not allow to run the program"),
        (name_of, TASKS, {"time_limit": -1}, UsageError, "time_limit is -1"),
    ],
)
def test_what_cannot_be_improved_is_refused(program, tasks, settings, error, said):
    with pytest.raises(error, match=said):
        optimise(program, tasks, backend=proposes("Name it."), **settings)


@pytest.mark.parametrize("bound", [{"attempts": 40}, {"tokens": 4_000}, {"money": 0.004}])
def test_budget_ends_the_search_and_the_comparison(bound):
    backend = proposes("Name the thing in capitals.")
    backend.price = Price(1.0, 1.0)

    found = optimise(name_of, TASKS, backend=backend, budget=Budget(**bound), concurrency=1)

    spent = found.spent
    runs = sum("better_text" not in prompt for prompt in backend.prompts)
    assert {"attempts": runs, "tokens": spent.tokens, "money": spent.cost}[next(iter(bound))] <= 1.1 * next(
        iter(bound.values())
    )


async def test_failing_reflector_is_an_error_and_ends_it():
    backend = proposes("x")
    reflector = ScriptedBackend(Fault.status(401))

    with pytest.raises(AuthenticationError):
        await aoptimise(name_of, TASKS, backend=backend, reflector=reflector)

    assert reflector.calls == 1


@generative(requirements=[one_of(["lamp", "sea"])])
def kind_of(text: str) -> str:
    """Say what it is."""


def test_examples_without_tasks_come_from_the_history(tmp_path):
    answers = iter(["lamp", "lamp", "stone", "stone", "sea"])
    path = tmp_path / "runs.db"
    backend = ScriptedBackend(lambda request: json.dumps({"result": next(answers)}))
    with start_session(backend, history=path) as m:
        for text in ("It shines, too.", "It shines\nbrightly.", "It is hard."):
            with pytest.warns() if text == "It is hard." else _nothing():
                kind_of(m, text=text)
        kind_of(m, text="It is blue.")

    found = choose_examples(kind_of, path, most=2)

    assert [(one.arguments, one.result) for one in found.examples] == [
        ("text (str): It is blue.", "sea"),
        ("text (str): It shines\nbrightly.", "lamp"),
    ]
    assert "not compared" in found.found["why"]
    with found, start_session(again := ScriptedBackend('{"result": "sea"}')) as m:
        kind_of(m, text="It is wet.")
    assert 'text (str): It is blue.\nAnswer: {"result": "sea"}' in again.prompts[0]


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize(
    ("function", "said"), [(written, "no typed function"), (name_of, "has no call of name_of")]
)
def test_history_without_examples_is_an_error(function, said, tmp_path):
    with start_session(ScriptedBackend("Hi."), history=tmp_path / "runs.db") as m:
        m.chat("Hello.")

    with pytest.raises(UsageError, match=said):
        choose_examples(function, tmp_path / "runs.db")
