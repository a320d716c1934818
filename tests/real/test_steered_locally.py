"""Requirements steer the model in this process within any limit: every rule is kept at the first attempt."""

import pytest

from mellea import ModelOption
from mellea.core import UsageError
from mellea.stdlib.requirements import avoids, contains, fits_schema, word_count
from mellea.stdlib.requirements.forms import Bullets, MarkdownList, Quoted, Table, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy

TASKS = [
    ("Write about a walk.", [word_count(at_least=12, at_most=24), contains("bridge"), avoids("leaves")]),
    ("Name drinks.", [of_form(Bullets(2)), word_count(at_most=30)]),
    ("Greet a friend.", [of_form(Quoted()), word_count(at_most=20)]),
]
LIMIT = 48
"""Fewer tokens than a pattern of each of them may take, so that automata bring the text home in time."""


@pytest.mark.parametrize(("task", "rules"), TASKS)
def test_rules_are_kept_at_the_first_attempt_and_within_the_limit(hf, task, rules):
    result = hf.instruct(
        task,
        requirements=rules,
        strategy=RejectionSamplingStrategy(loop_budget=1),
        model_options={ModelOption.SEED: 1, ModelOption.STEER: True, ModelOption.MAX_NEW_TOKENS: LIMIT},
        return_sampling_results=True,
    )

    assert set(result.steering.values()) == {"steered"}
    assert result.success, result.value
    assert result.chosen.usage.completion_tokens <= LIMIT


def test_limit_that_is_too_small_is_refused_with_one_that_is_enough(hf):
    with pytest.raises(UsageError, match=r"within 8 tokens\. \d+ tokens are enough"):
        hf.instruct(
            "Write about a walk.",
            requirements=[word_count(at_least=12, at_most=24), contains("bridge")],
            model_options={ModelOption.STEER: True, ModelOption.MAX_NEW_TOKENS: 8},
        )


WHOLE = [
    (
        "Describe Olivia, who lives in Lisbon.",
        fits_schema(
            {
                "type": "object",
                "required": ["city"],
                "properties": {"city": {"type": "string", "maxLength": 20}},
                "additionalProperties": False,
            }
        ),
    ),
    ("Name people.", of_form(Table(["name", "city"], 2, 3))),
    ("Name drinks.", of_form(MarkdownList(2, 3))),
]


@pytest.mark.parametrize(("task", "rule"), WHOLE, ids=["json", "table", "list"])
def test_texts_that_are_laid_out_as_a_whole_are_so_at_the_first_attempt(hf, task, rule):
    result = hf.instruct(
        task,
        requirements=[rule],
        strategy=RejectionSamplingStrategy(loop_budget=1),
        model_options={ModelOption.SEED: 1, ModelOption.STEER: True, ModelOption.MAX_NEW_TOKENS: 256},
        return_sampling_results=True,
    )

    assert list(result.steering.values()) == ["steered"]
    assert result.success, result.value
