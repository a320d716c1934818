"""Cases that a judge looks at, as programs of the 0.8 line write them."""

import json

import pytest

from mellea import ChatContext, MelleaSession
from mellea.stdlib.components.unit_test_eval import Example, Message, TestBasedEval, TestData
from mellea.testing import ScriptedBackend


def said(role, content):
    return {"role": role, "content": content}


CASES = {
    "source": "handmade",
    "name": "greetings",
    "instructions": "Be polite.",
    "id": "g1",
    "examples": [
        {
            "input": [
                said("system", "s"),
                said("user", "Hi"),
                said("assistant", "Yes?"),
                said("user", "Hello?"),
            ],
            "targets": [said("assistant", "Hello!"), said("user", "no target"), said("assistant", "Hi!")],
            "input_id": "a",
        },
        {"input": [said("assistant", "nobody asked")], "targets": [said("assistant", "x")], "input_id": "b"},
        {"input": [said("user", "Bye")]},
    ],
}


@pytest.mark.parametrize("cases", [CASES, [CASES, CASES]], ids=["one", "several"])
def test_cases_of_a_file(tmp_path, cases):
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))

    first, *others = TestBasedEval.from_json_file(str(file))

    assert len(others) == len(cases) - 1 if isinstance(cases, list) else not others
    assert (first.source, first.name, first.instructions) == ("handmade", "greetings", "Be polite.")
    assert first.inputs == ["Hello?", "Bye"]
    assert first.targets == [["Hello!", "Hi!"], []]
    assert (first.test_id, first.input_ids) == ("g1", ["a", ""])


@pytest.mark.parametrize("text", ["{", "3", "{}", json.dumps({**CASES, "examples": []})])
def test_file_that_holds_no_cases_is_named(tmp_path, text):
    file = tmp_path / "cases.json"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"cases\.json"):
        TestBasedEval.from_json_file(file)


def test_what_is_left_out_is_empty():
    evaluation = TestBasedEval("s", "n", "i", ["a"])

    assert (evaluation.targets, evaluation.test_id, evaluation.input_ids) == ([], None, [])
    assert evaluation.format_for_llm().args == {}
    assert Example(input=[Message(role="user", content="x")]).input_id == ""
    with pytest.raises(ValueError, match="examples"):
        TestData(source="s", name="n", instructions="i", examples=[], id="1")


@pytest.mark.parametrize(
    ("targets", "shown"), [(["one"], "one"), (["one", "two"], "1. one\n2. two"), ([], "N/A"), (None, "N/A")]
)
def test_judge_is_shown_one_case(targets, shown):
    evaluation = TestBasedEval("s", "n", "Be polite.", ["Hi"])
    evaluation.set_judge_context("Hi", "Go away.", targets)

    assert evaluation.format_for_llm().args == {
        "input": "Hi",
        "prediction": "Go away.",
        "target": shown,
        "guidelines": "Be polite.",
    }
    backend = ScriptedBackend('{"score": 0}')
    assert MelleaSession(backend, ChatContext()).act(evaluation, strategy=None).value == '{"score": 0}'
    (message,) = backend.requests[0].messages
    assert all(words in message.content for words in ("Be polite.", "Go away.", shown))
