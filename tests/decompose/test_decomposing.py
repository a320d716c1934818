"""Taking a task apart: a program that runs, or an error that names the step."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path

import pytest

from mellea import MelleaSession, start_session
from mellea.core import AuthenticationError, UsageError
from mellea.core.trace import write_text
from mellea.decompose import Check, Decomposition, DecompositionError, Subtask, decompose
from mellea.stdlib.context.chat import ChatContext
from mellea.testing import Fault, ScriptedBackend

CHECKED = Path(__file__).parents[1] / "typing" / "decomposed_program.py"
TASK = 'Answer the mail in at most 80 words; say "thanks", and stay kind.'
STEPS = [
    {"name": "answer", "task": "Write an answer to the points.", "needs": ["points", "mail"]},
    {"name": "points", "task": "List the points of the mail.", "needs": ["mail"]},
]
GOOD = {
    "list_variables": ["mail"],
    "list_steps": STEPS,
    "list_requirements": ["Use at most 80 words.", 'Say "thanks".', "Stay kind."],
    "place_requirement": "answer",
    "at most 80 words": {"kind": "at most words", "number": 80, "text": None},
    "thanks": {"kind": "contains", "number": None, "text": "thanks"},
    "Stay kind": {"kind": "judged", "number": None, "text": None},
}


def scripted(**changed):
    """Return a backend that gives each step its answer; a list of answers is given one after the other."""
    answers = {**GOOD, **changed}
    turns = {name: iter(each) if isinstance(each, tuple) else None for name, each in answers.items()}

    def answer(request):
        prompt = next(one.content for one in request.messages if one.role == "user")
        asked = prompt.partition("async def ")[2].partition("(")[0]
        if asked == "choose_check":
            asked = next(name for name in answers if name in prompt.partition("Arguments:")[2])
        given = answers[asked] if turns[asked] is None else next(turns[asked])
        return given if isinstance(given, Fault | Exception) else json.dumps({"result": given})

    return ScriptedBackend(answer)


def taken_apart(backend, **settings):
    return decompose(TASK, MelleaSession(backend), **settings)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "decomposed.py"
    write_text(path, taken_apart(scripted()).program)
    return path


def test_task_becomes_steps_in_order_with_their_checks():
    found = taken_apart(scripted())

    assert found.variables == ("mail",)
    assert [step.name for step in found.subtasks] == ["points", "answer"]
    assert [check.expression for check in found.subtasks[1].checks] == [
        "word_count(at_most=80)",
        'contains("thanks")',
        '"Stay kind."',
    ]


def test_program_runs_and_checks_what_the_task_demands(program):
    made = runpy.run_path(str(program), run_name="made")
    backend = ScriptedBackend(["- a lamp", "Yes.", "Many thanks. Yes."], failures={"Stay kind.": 0})

    with start_session(backend) as m:
        answer = made["program"](m, mail="Do you sell lamps?")

    assert answer == "Many thanks. Yes."
    assert "Do you sell lamps?" in backend.prompts[0]
    assert "- a lamp" in backend.prompts[1]


def test_program_is_the_one_that_the_type_checker_passes(program):
    """Where it is not, write it again; tests/typing is checked with mypy."""
    assert program.read_text() == CHECKED.read_text()


def test_command_line_of_the_program_asks_for_its_variables(program, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(program), "--help"])

    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(program), run_name="__main__")

    assert "--mail MAIL" in capsys.readouterr().out


def test_first_answer_that_makes_no_program_is_repaired_with_the_reason():
    bad = [{"name": "answer", "task": "Write an answer.", "needs": ["points"]}]
    backend = scripted(list_steps=(bad, STEPS))

    assert len(taken_apart(backend).subtasks) == 2
    assert any("'answer' needs 'points', which is neither" in prompt for prompt in backend.prompts)


def step(name, *needs, task="Write a text."):
    return {"name": name, "task": task, "needs": list(needs)}


@pytest.mark.parametrize(
    ("changed", "named", "why"),
    [
        ({"list_variables": ["the mail"]}, "find the variables", "is no name"),
        ({"list_variables": ["mail", "mail"]}, "find the variables", "twice"),
        ({"list_steps": []}, "list the subtasks", "there are 0 steps"),
        ({"list_steps": [step("mail", "mail")]}, "list the subtasks", "twice"),
        ({"list_steps": [step("import", "mail")]}, "list the subtasks", "is taken"),
        ({"list_steps": [step("print", "mail")]}, "list the subtasks", "is taken"),
        ({"list_steps": [step("Answer\n", "mail")]}, "list the subtasks", "is no name"),
        ({"list_steps": [step("a", "a", "mail")]}, "list the subtasks", "needs itself"),
        ({"list_steps": [step("a", "b", "mail"), step("b", "a")]}, "list the subtasks", "in a circle"),
        ({"list_steps": [step("a", "mail"), step("b", "mail")]}, "list the subtasks", "no step needs 'a'"),
        ({"list_steps": [step("a")]}, "list the subtasks", "no step needs the variable 'mail'"),
        ({"list_steps": [step("a", "mail", task="Go")]}, "list the subtasks", "say in a sentence"),
        ({"list_steps": "none"}, "list the subtasks", "list_steps got no answer of its return type"),
        ({"list_requirements": ["Be kind.", "be kind"]}, "list the requirements", "twice"),
        ({"place_requirement": "nowhere"}, "find the subtask of the requirement", "is no step"),
    ],
)
def test_what_a_model_cannot_do_is_an_error_that_names_the_step(changed, named, why):
    with pytest.raises(DecompositionError) as raised:
        taken_apart(scripted(**changed))

    assert raised.value.step.startswith(named)
    assert str(raised.value).startswith(f"The model could not {named}")
    assert why in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "at most words", "number": 90, "text": None},
        {"kind": "at most words", "number": None, "text": None},
        {"kind": "contains", "number": None, "text": "please"},
        {"kind": "tasted", "number": None, "text": None},
    ],
)
def test_check_that_the_requirement_does_not_state_is_left_to_a_judge(wrong):
    found = taken_apart(scripted(**{"at most 80 words": wrong}))

    assert found.subtasks[1].checks[0] == Check("Use at most 80 words.")


def test_providers_failures_stay_what_they_are():
    with pytest.raises(AuthenticationError):
        taken_apart(ScriptedBackend(Fault.status(401)))


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        (" ", {}, "The task is empty"),
        ("Answer it.", {"variables": ["class"]}, "'class' is taken"),
        ("Answer it.", {"variables": ["a b"]}, "'a b' is no name"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(task, settings, said):
    backend = scripted()

    with pytest.raises(UsageError, match=said):
        decompose(task, MelleaSession(backend), **settings)

    assert backend.calls == 0


def test_conversation_of_the_session_stays_as_it_is():
    session = MelleaSession(scripted(), ChatContext())

    decompose(TASK, session, variables=["mail"])

    assert len(session.ctx.as_list()) == 0
    assert not session.closed


NASTY = "'''\"\"\"); import os; os.abort() #\n{{ 1 }} {% raw %} %s \\"


def test_what_people_and_models_write_is_never_code():
    nasty = Check(NASTY, "contains", text=NASTY)
    found = Decomposition(NASTY, ("mail",), (Subtask("answer", NASTY, ("mail",), (nasty, Check(NASTY))),))

    tree = ast.parse(found.program)

    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert texts.count(NASTY) == 4
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


@pytest.mark.parametrize(
    ("variables", "steps", "said"),
    [
        (("os.abort()",), (Subtask("a", "Do."),), "is no name"),
        ((), (Subtask("a", "Do.", ("b",)), Subtask("b", "Do.")), "a needs 'b', which nothing gives it"),
    ],
)
def test_values_that_make_no_program_are_refused(variables, steps, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        Decomposition("Task.", variables, steps).program  # noqa: B018  it is made here


def test_json_has_the_names_of_08():
    written = taken_apart(scripted()).to_dict()

    last = written["subtasks"][1]
    assert (last["tag"], last["input_vars_required"], last["depends_on"]) == ("ANSWER", ["mail"], ["POINTS"])
    assert written["identified_constraints"][0] == {
        "constraint": "Use at most 80 words.",
        "val_strategy": "code",
        "val_fn": "word_count(at_most=80)",
        "val_fn_name": "word_count",
    }
