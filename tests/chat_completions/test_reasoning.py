"""Reasoning without an answer, on every route and under every name that servers have for it."""

import pytest

from mellea import generative
from mellea.core.errors import NoAnswerError
from mellea.core.reasoning import NoAnswerWarning
from tests.servers.faults import Reply, completion


def reasoning(text="", finish="stop", **fields):
    whole = completion(text)
    whole["choices"][0]["message"].update(fields)
    whole["choices"][0]["finish_reason"] = finish
    return Reply(whole)


@generative
def total(question: str) -> int:
    """Add."""


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_in_a_field_of_its_own_is_no_answer(faulty, faults, field):
    faults.answers(reasoning(**{field: "It is 4."}))

    with pytest.warns(NoAnswerWarning):
        output = faulty.act("2+2?")

    assert (output.text, output.thinking) == ("", "It is 4.")
    assert output.generation.usage.completion_tokens == 2


@pytest.mark.parametrize(
    "text", ["<think>It is 4.", "<think>It is 4.</think>", "<think>\nIt is 4.\n</think>\n"]
)
def test_reasoning_in_tags_is_no_answer(faulty, faults, text):
    faults.answers(reasoning(text))

    with pytest.warns(NoAnswerWarning):
        output = faulty.act("2+2?")

    assert (output.text, output.thinking.strip()) == ("", "It is 4.")


def test_typed_function_says_that_the_model_only_reasoned(faulty, faults):
    faults.answers(reasoning(reasoning_content="It is 4.", finish="length"))

    with pytest.raises(NoAnswerError, match=r"reasoned.*'length'.*MAX_NEW_TOKENS"):
        total(faulty, question="2+2")
