"""Requirements steer the model in this process: every rule is kept at the first attempt."""

import pytest

from mellea import ModelOption
from mellea.stdlib.requirements import avoids, contains, word_count
from mellea.stdlib.requirements.forms import Bullets, Quoted, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy

OPTIONS = {ModelOption.SEED: 1, ModelOption.STEER: True, ModelOption.MAX_NEW_TOKENS: None}
TASKS = [
    ("Write about a walk.", [word_count(at_least=12, at_most=24), contains("bridge"), avoids("leaves")]),
    ("Name drinks.", [of_form(Bullets(2)), word_count(at_most=30)]),
    ("Greet a friend.", [of_form(Quoted()), word_count(at_most=20)]),
]


@pytest.mark.parametrize(("task", "rules"), TASKS)
def test_rules_are_kept_at_the_first_attempt(hf, task, rules):
    result = hf.instruct(
        task,
        requirements=rules,
        strategy=RejectionSamplingStrategy(loop_budget=1),
        model_options=OPTIONS,
        return_sampling_results=True,
    )

    assert set(result.steering.values()) == {"steered"}
    assert result.success, result.value
