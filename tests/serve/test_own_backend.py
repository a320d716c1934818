"""Our own openai backend at a server of programs."""

from typing import Literal

import pytest

from mellea import ModelOption, generative, start_session
from mellea.core.errors import RefusalError, RequestRejectedError
from mellea.stdlib.requirements import contains


@pytest.fixture(scope="module")
def m(address):
    options = {ModelOption.MAX_RETRIES: 0}
    with start_session(
        "openai", "chat", base_url=f"{address}/v1", api_key="none", model_options=options
    ) as session:
        yield session


@generative
def sentiment(text: str) -> Literal["positive", "negative"]:
    """Classify the sentiment of the text."""


def test_program_is_a_model_like_any_other(m):
    answer = m.instruct("Greet.", requirements=[contains("dear")])

    assert (str(answer), answer.met) == ("Hello dear world.", True)
    assert answer.generation.usage.completion_tokens == 3


async def test_program_streams(m):
    output = await m.aact("Greet.", strategy=None, model_options={ModelOption.STREAM: True})
    assert [piece async for piece in output] == ["Hello ", "dear ", "world."]


def test_typed_function_of_the_client_is_constrained_by_the_program(m):
    assert sentiment(m, text="I love it.") == "positive"


def test_refusals_and_errors_keep_their_classes(m):
    with pytest.raises(RefusalError, match="rather not"):
        m.act("refuse", strategy=None).parsed  # noqa: B018  reading raises
    with pytest.raises(RequestRejectedError, match="logit_bias is not supported"):
        m.act("Greet.", strategy=None, model_options={"logit_bias": {"1": 1}})


def test_requirements_go_along_as_an_extension(m):
    answer = m.act("Greet.", strategy=None, model_options={"extra_body": {"requirements": ["It is kind."]}})
    assert answer.raw.response["mellea"]["requirements"][0]["met"] is True
