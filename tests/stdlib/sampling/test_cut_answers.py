"""A structured answer that was cut is a failed attempt, and the next one may be longer."""

import json

import pytest

from mellea import MelleaSession, ModelOption, check, generative
from mellea.core import Budget, CBlock
from mellea.core.call_site import RequirementsNotMetWarning
from mellea.core.response import Usage
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.sampling import RejectionSamplingStrategy, RepairTemplateStrategy
from mellea.stdlib.streaming import stream
from mellea.testing import Reply, ScriptedBackend

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CUT = Reply('{"name": "A', finish_reason="length", usage=Usage(10, 20))
WHOLE = Reply('{"name": "Ada"}', usage=Usage(10, 30))


def limits(backend):
    return [request.options.get("max_new_tokens") for request in backend.requests]


@pytest.mark.parametrize("strategy", [RejectionSamplingStrategy, RepairTemplateStrategy])
async def test_limit_that_is_nobodys_doubles(strategy):
    backend = ScriptedBackend([CUT, Reply(CUT.text, finish_reason="length", usage=Usage(10, 40)), WHOLE])

    result = await MelleaSession(backend).ainstruct(
        "x", format=SCHEMA, strategy=strategy(loop_budget=3), return_sampling_results=True
    )

    assert limits(backend) == [None, 40, 80]
    assert result.success
    assert "It was cut after 20 tokens; another attempt may have 40." in result.attempts[0].error


async def test_limit_of_the_caller_is_kept_without_a_budget_of_tokens():
    backend = ScriptedBackend([CUT, CUT])

    result = await MelleaSession(backend).ainstruct(
        "x", format=SCHEMA, model_options={ModelOption.MAX_NEW_TOKENS: 20}, return_sampling_results=True
    )

    assert limits(backend) == [20, 20]
    assert result.attempts[0].error.endswith("It was cut after 20 tokens; another attempt may have no more.")


@pytest.mark.parametrize(("tokens", "second"), [(1000, 40), (75, 35), (50, 20)])
async def test_budget_of_tokens_lets_the_limit_of_the_caller_rise_within_it(tokens, second):
    backend = ScriptedBackend([CUT, WHOLE])

    await MelleaSession(backend).ainstruct(
        "x",
        format=SCHEMA,
        model_options={ModelOption.MAX_NEW_TOKENS: 20},
        strategy=RejectionSamplingStrategy(loop_budget=2, budget=Budget(tokens=tokens)),
    )

    assert limits(backend) == [20, second]


async def test_limit_of_the_session_is_the_callers_too():
    backend = ScriptedBackend([CUT, WHOLE], model_options={ModelOption.MAX_NEW_TOKENS: 20})

    await MelleaSession(backend).ainstruct("x", format=SCHEMA)

    assert limits(backend) == [20, 20]


async def test_text_without_a_format_is_not_repaired_for_its_length():
    backend = ScriptedBackend([Reply("cut", finish_reason="length", usage=Usage(1, 5)), "no"])

    with pytest.warns(RequirementsNotMetWarning):
        await MelleaSession(backend).ainstruct("x", requirements=[check("It is long.", lambda ctx: False)])

    assert limits(backend) == [None, None]


async def test_typed_function_goes_on_with_more_tokens():
    @generative
    async def name_of(text: str) -> str: ...

    cut = Reply('{"result": "A', finish_reason="length", usage=Usage(10, 20))
    backend = ScriptedBackend([cut, '{"result": "Ada"}'])

    assert await name_of(MelleaSession(backend), text="Ada") == "Ada"
    assert limits(backend) == [None, 40]


async def test_stream_goes_on_with_more_tokens():
    backend = ScriptedBackend([CUT, WHOLE])

    streamer = await stream(CBlock("x"), backend, SimpleContext(), format=SCHEMA, loop_budget=2)
    events = [event async for event in streamer.events()]

    assert events[-1].success
    assert json.loads(streamer.full_text) == {"name": "Ada"}
    assert limits(backend) == [None, 40]
