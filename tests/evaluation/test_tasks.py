"""Tasks in files: lines of JSON, named checks, evaluations of 0.8."""

from __future__ import annotations

import json

import pytest

from mellea.core import UsageError
from mellea.evaluation import Task, read_tasks
from mellea.evaluation.checks import CHECKS, requirement_of
from mellea.stdlib.context import SimpleContext
from mellea.testing import ScriptedBackend


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "tasks.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return path

    return write


def test_lines_are_tasks(file):
    tasks = read_tasks(
        file(
            {"id": "mail", "prompt": "Write to {{name}}.", "inputs": {"name": "Ada"}},
            "",
            {"prompt": "Write.", "requirements": ["It is kind.", {"words": {"at_most": 80}}]},
        )
    )

    assert [task.id for task in tasks] == ["mail", "2"]
    assert tasks[0].question == "Write to {{name}}.\n\nname: Ada"
    assert [one.name for one in tasks[1].requirements] == ["It is kind.", "Use at most 80 words."]


def test_list_of_tasks_is_read_too(file):
    assert [task.prompt for task in read_tasks(file([{"prompt": "a"}, {"prompt": "b"}]))] == ["a", "b"]


@pytest.mark.parametrize(
    ("written", "text", "met"),
    [
        ({"words": {"at_most": 2}}, "one two three", False),
        ({"word_count": {"at_least": 2}}, "one two", True),
        ({"characters": {"at_most": 3}}, "four", False),
        ({"sentences": {"at_most": 1}}, "One. Two.", False),
        ({"contains": ["river", "boat"]}, "a boat on the river", True),
        ({"contains": "river"}, "a boat", False),
        ({"avoids": ["very"]}, "very good", False),
        ({"matches": "[0-9]+"}, "42", True),
        ({"matches": {"pattern": "[0-9]+", "description": "A number."}}, "none", False),
        ({"one_of": ["yes", "no"]}, "Yes", True),
        ({"json": True}, "{", False),
        ({"schema": {"type": "object", "required": ["a"]}}, '{"a": 1}', True),
        ({"markdown_list": True}, "- one\n- two", True),
        ({"markdown_table": True}, "no table", False),
    ],
)
async def test_named_checks(written, text, met):
    from mellea.core import ModelOutputThunk

    context = SimpleContext().add(ModelOutputThunk(text))

    assert (await requirement_of(written).validate(ScriptedBackend(), context)).result is met


def test_graded_checks_are_named_too():
    assert requirement_of({"graded": {"description": "How kind is it?", "at_least": 7}}).name
    assert set(CHECKS) >= {"words", "graded"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is no JSON"),
        ({"requirements": []}, "entry 1: There is nothing to ask"),
        ({"prompt": "a", "checks": []}, "A task has no 'checks'"),
        ({"prompt": 3}, "The prompt is 3"),
        ({"prompt": "a", "requirements": [{"wordz": {}}]}, "Did you mean 'words'"),
        ({"prompt": "a", "requirements": [{"words": {"most": 3}}]}, "cannot be made with"),
        ({"prompt": "a", "requirements": [{"words": {}}]}, "No bound on the words"),
        ({"prompt": "a", "requirements": [7]}, "7 is no requirement"),
        ({"prompt": "a", "requirements": 7}, "The requirements are 7"),
        ("7", "7 is no task"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(file, line, said):
    with pytest.raises(UsageError, match=said):
        read_tasks(file(line))


def test_ids_are_distinct_and_files_have_tasks(file, tmp_path):
    with pytest.raises(UsageError, match="Two tasks are called 'a'"):
        read_tasks(file({"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}))
    with pytest.raises(UsageError, match="There are no tasks"):
        read_tasks(file(""))
    with pytest.raises(UsageError, match="cannot be read"):
        read_tasks(tmp_path / "none.jsonl")


def test_tasks_are_made_in_programs_too():
    task = Task("Write.", requirements="It is kind.")

    assert [one.description for one in task.requirements] == ["It is kind."]
    with pytest.raises(UsageError, match="The inputs are 3"):
        Task(inputs=3)


def test_evaluations_of_08_are_tasks(file):
    example = {"input": [{"role": "user", "content": "Hi"}], "input_id": "first"}
    right = [{"role": "assistant", "content": "Hello."}]
    other = {"input": [{"role": "user", "content": "Bye"}], "targets": right}
    nothing = {"input": [{"role": "system", "content": "Bye"}]}
    evaluation = {"source": "s", "name": "politeness", "instructions": "Be polite.", "id": "t"}

    tasks = read_tasks(file({**evaluation, "examples": [example, other, nothing]}))

    assert [(task.id, task.prompt) for task in tasks] == [("first", "Hi"), ("t-2", "Bye")]
    assert {task.requirements[0].name for task in tasks} == {"politeness"}
    assert tasks[1].requirements[0].description == "Be polite.\nRight answers are:\n- Hello."
