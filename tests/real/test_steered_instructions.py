"""Requirements steer a real model through a real server: every rule is kept at the first attempt."""

from collections.abc import Iterator

import pytest

from mellea import MelleaSession, ModelOption, start_session
from mellea.core.steering import ContradictionError
from mellea.stdlib.requirements import avoids, contains, sentence_count, word_count
from mellea.stdlib.requirements.forms import (
    BeginsWith,
    Bullets,
    Case,
    EndsWith,
    Numbers,
    Quoted,
    Title,
    of_form,
)
from mellea.stdlib.sampling import RejectionSamplingStrategy
from tests.servers.llama import LlamaServer

TASKS = [
    ("Write about a walk by the river.", [word_count(at_least=30, at_most=60), contains("bridge")]),
    ("Tell me about tea.", [of_form(Bullets(3)), word_count(at_most=60)]),
    ("Write a note to a neighbour.", [avoids("noise", "sorry"), of_form(Case("lower"))]),
    (
        "Write about the old mill.",
        [sentence_count(at_least=2, at_most=3), of_form(EndsWith("It turns."))],
    ),
    ("Describe a morning in town.", [of_form(Quoted()), of_form(Numbers(0))]),
    ("Write about bread.", [of_form(Title()), contains("flour", "oven")]),
]


@pytest.fixture(scope="module")
def steerable(llama_server: LlamaServer) -> Iterator[MelleaSession]:
    """A session that sets no limit on tokens, on a server that keeps patterns."""
    where = {"model_id": llama_server.model_id, "base_url": llama_server.base_url, "api_key": "none"}
    with start_session("openai", **where) as session:
        yield session


@pytest.mark.parametrize(("task", "rules"), TASKS)
def test_rules_are_kept_at_the_first_attempt(steerable, task, rules):
    result = steerable.instruct(
        task,
        requirements=rules,
        strategy=RejectionSamplingStrategy(loop_budget=1),
        model_options={ModelOption.SEED: 1},
        return_sampling_results=True,
    )

    assert set(result.steering.values()) == {"steered"}
    assert result.success, result.value


def test_forms_that_contradict_each_other_are_told(steerable):
    with pytest.raises(ContradictionError, match="No text can meet both"):
        steerable.instruct("Write.", requirements=[of_form(BeginsWith("Dear")), of_form(Case("lower"))])
