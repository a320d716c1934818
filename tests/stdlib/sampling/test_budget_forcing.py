"""Thinking for as long as it is told to, by plain completion."""

import json

import pytest
from pydantic import BaseModel

from mellea.core import Budget, Capability, CapabilityError, CBlock, ModelOption, UsageError
from mellea.core.response import Completion, Usage
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import req, simple_validate
from mellea.stdlib.sampling import BudgetForcingSamplingStrategy
from mellea.testing import ScriptedBackend


class Thinker(ScriptedBackend):
    """Completes prompts from a script of texts, with why each ended and a token for each word."""

    def __init__(self, *answers, capabilities=(Capability.RAW, Capability.SEED)):
        super().__init__([], capabilities=capabilities)
        self.answers = list(answers)

    async def complete(self, request):
        text, reason = self.answers[len(self.requests)]
        self.requests.append(request)
        return [Completion(text, reason, Usage(10, len(text.split())))]


async def think(backend, ctx=None, requirements=(), call=None, **settings):
    strategy = BudgetForcingSamplingStrategy(**settings)
    return await strategy.sample(
        CBlock("How much is 6 * 7?"), ctx or SimpleContext(), backend, requirements, **(call or {})
    )


def prompts(backend):
    return [request.prompts[0] for request in backend.requests]


async def test_it_thinks_first_and_then_answers():
    backend = Thinker((" six sevens ", "stop"), (" 42", "stop"))

    result = await think(backend, think_max_tokens=50, answer_max_tokens=5)

    assert (result.value, result.result.thinking) == ("42", "six sevens")
    assert prompts(backend) == [
        "How much is 6 * 7?\n<think>",
        "How much is 6 * 7?\n<think> six sevens </think>",
    ]
    assert [request.options["max_new_tokens"] for request in backend.requests] == [50, 5]
    assert backend.requests[0].options["stop"] == ["</think>"]


async def test_tokens_of_the_response_are_passed_on():
    """Each of the three shapes the second request or its reading."""
    backend = Thinker(("hm", "stop"), ("42<end>and more", "stop"))

    result = await think(
        backend, begin_response_token="<answer>", end_response_token="<end>", answer_suffix="It is"
    )

    assert prompts(backend)[1].endswith("hm</think><answer>It is")
    assert backend.requests[1].options["stop"] == ["<end>"]
    assert result.value == "42"


async def test_thoughts_that_end_early_are_extended_until_the_budget_is_spent():
    backend = Thinker(("one two three", "stop"), (" four five", "stop"), (" six", "length"), ("42", "stop"))

    result = await think(backend, think_max_tokens=6, think_more_suffix=" Wait,")

    assert result.result.thinking == "one two three Wait, four five Wait, six"
    assert [request.options["max_new_tokens"] for request in backend.requests[:3]] == [6, 3, 1]


async def test_thinking_that_brings_nothing_ends():
    backend = Thinker(("", "stop"), ("42", "stop"))

    result = await think(backend, think_more_suffix=" Wait,")

    assert result.value == "42"


async def test_empty_end_token_is_allowed():
    """A model without an end mark has no stop sequence, since an empty one stops at once."""
    backend = Thinker(("hm", "stop"), ("42", "stop"))

    result = await think(backend, end_think_token="")

    assert result.value == "42"
    assert "stop" not in backend.requests[0].options


async def test_no_thinking_at_all():
    backend = Thinker(("42", "stop"))

    result = await think(backend, think_max_tokens=0)

    assert prompts(backend) == ["How much is 6 * 7?\n<think></think>"]
    assert result.value == "42"


async def test_result_context_contains_the_turn():
    """What was asked and answered is in the context that comes back."""
    before = ChatContext().add(CBlock("earlier"))

    result = await think(Thinker(("hm", "stop"), ("42", "stop")), before)

    assert [str(span) for span in result.result_ctx.as_list()] == ["earlier", "How much is 6 * 7?", "42"]


async def test_options_are_left_as_they_are():
    """Limits and stops of the two phases are not written into the caller's options."""
    options = {ModelOption.MAX_NEW_TOKENS: 9, ModelOption.STOP_SEQUENCES: ["\n"]}
    backend = Thinker(("hm", "stop"), ("42", "stop"))

    await think(backend, call={"model_options": options}, think_max_tokens=20)

    assert options == {ModelOption.MAX_NEW_TOKENS: 9, ModelOption.STOP_SEQUENCES: ["\n"]}
    assert [(request.options["max_new_tokens"], request.options["stop"]) for request in backend.requests] == [
        (20, ["</think>"]),
        (9, ["\n"]),
    ]


async def test_conversation_and_system_prompt_are_in_the_prompt():
    backend = Thinker(("hm", "stop"), ("42", "stop"))

    await think(
        backend,
        ChatContext().add(CBlock("earlier")),
        call={"model_options": {ModelOption.SYSTEM_PROMPT: "Be brief."}},
    )

    assert (
        prompts(backend)[0]
        == "system: Be brief.\n\nuser: earlier\n\nuser: How much is 6 * 7?\n\nassistant: <think>"
    )


async def test_failed_answer_is_thought_over_again_with_another_seed():
    number = req("A number.", simple_validate(str.isdigit))
    backend = Thinker(("hm", "stop"), ("many", "stop"), ("oh", "stop"), ("42", "stop"))

    result = await think(
        backend, requirements=[number], loop_budget=2, call={"model_options": {ModelOption.SEED: 1}}
    )

    seeds = [request.options["seed"] for request in backend.requests]
    assert (result.value, len(result.attempts)) == ("42", 2)
    assert seeds[0] == seeds[1] != seeds[2]


async def test_usage_counts_the_thinking():
    result = await think(Thinker(("one two", "stop"), ("42", "stop")), call={"budget": Budget(tokens=1000)})

    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (20, 3)


class Sum(BaseModel):
    value: int


async def test_format_constrains_the_answer_and_not_the_thinking():
    backend = Thinker(
        ("hm", "stop"), ('{"value": 42}', "stop"), capabilities=[Capability.RAW, Capability.JSON_SCHEMA]
    )

    result = await think(backend, call={"format": Sum})

    assert result.result.parsed == Sum(value=42)
    assert [request.schema and request.schema.name for request in backend.requests] == [None, "Sum"]


async def test_format_is_asked_for_where_it_cannot_be_constrained():
    backend = Thinker(("hm", "stop"), ('{"value": 42}', "stop"))

    result = await think(backend, call={"format": Sum})

    assert result.result.parsed == Sum(value=42)
    assert json.dumps(Sum.model_json_schema()) in prompts(backend)[0]


async def test_backend_without_plain_completion_is_refused_before_a_request():
    backend = ScriptedBackend("x", capabilities=[Capability.STREAMING])

    with pytest.raises(CapabilityError, match="raw"):
        await think(backend)
    assert backend.requests == []


async def test_tools_are_refused_before_a_request():
    backend = Thinker()

    with pytest.raises(CapabilityError, match="calls no tools"):
        await think(backend, call={"tool_calls": True})
    assert backend.requests == []


@pytest.mark.parametrize(
    "wrong", [{"think_max_tokens": -1}, {"answer_max_tokens": 0}, {"think_max_tokens": "many"}]
)
def test_wrong_numbers_are_our_errors(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        BudgetForcingSamplingStrategy(**wrong)
