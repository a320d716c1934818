"""Requirements steer a real model through a real server: every rule is kept at the first attempt."""

from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from mellea import MelleaSession, ModelOption, start_session
from mellea.core.steering import ContradictionError
from mellea.stdlib.requirements import avoids, contains, sentence_count, word_count
from mellea.stdlib.requirements.forms import (
    BeginsWith,
    Bullets,
    Case,
    Contains,
    EndsWith,
    InScript,
    Numbers,
    Quoted,
    Title,
    Words,
    of_form,
)
from mellea.stdlib.sampling import RejectionSamplingStrategy
from tests.servers.llama import LlamaServer

TASKS = [
    ("Write about a walk by the river.", [word_count(at_least=30, at_most=60), contains("bridge")]),
    ("Tell me about tea.", [of_form(Bullets(3)), word_count(at_most=60)]),
    ("Write a note to a neighbour.", [avoids("noise", "sorry"), of_form(Case("lower"))]),
    ("Write about a day at the sea.", [of_form(Case("upper")), contains("waves")]),
    ("Write about a clock.", [of_form(Case("title")), sentence_count(at_most=3)]),
    (
        "Write about the old mill.",
        [sentence_count(at_least=2, at_most=3), of_form(EndsWith("It turns."))],
    ),
    ("Describe a morning in town.", [of_form(Quoted()), of_form(Numbers(0))]),
    ("Write about bread.", [of_form(Title()), contains("flour", "oven")]),
]

ELSEWHERE = [
    ("Расскажи нам про вечернюю прогулку.", [word_count(at_least=12, at_most=24), contains("мост")]),
    ("اكتب عن المدينة القديمة.", [sentence_count(at_least=2, at_most=2), word_count(at_most=24)]),
    ("写一写关于茶的文字。", [of_form(InScript("Han")), contains("茶"), sentence_count(at_most=2)]),
]
"""In other scripts, of which the model knows little: what is looked at is the rules, not the text."""


@pytest.fixture(scope="module")
def steerable(llama_server: LlamaServer) -> Iterator[MelleaSession]:
    """A session that sets no limit on tokens, on a server that keeps patterns."""
    where = {"model_id": llama_server.model_id, "base_url": llama_server.base_url, "api_key": "none"}
    with start_session("openai", **where) as session:
        yield session


@pytest.mark.parametrize(("task", "rules"), [*TASKS, *ELSEWHERE])
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


def test_stream_of_a_task_keeps_the_rules_piece_by_piece(steerable):
    rules = [of_form(Bullets(2)), word_count(at_most=40)]
    options = {ModelOption.SEED: 1}
    pieces = list(steerable.stream_instruct("Name drinks.", requirements=rules, model_options=options))

    text = "".join(pieces)
    assert len(pieces) > 5
    assert all(form.check(text)[0] for rule in rules for form in rule.forms), text


class Note(BaseModel):
    text: Annotated[str, Words(at_least=12, at_most=24), Contains("bridge")]
    place: str = Field(max_length=20)


def test_texts_within_a_typed_answer_keep_their_forms(steerable):
    result = steerable.instruct(
        "Write a note about a walk.",
        format=Note,
        strategy=RejectionSamplingStrategy(loop_budget=1),
        model_options={ModelOption.SEED: 1, ModelOption.MAX_NEW_TOKENS: 250},
        return_sampling_results=True,
    )

    assert set(result.steering.values()) == {"steered"}
    assert "bridge" in result.parsed.text.lower()
