"""Several backends, one after the other: the cascade and SOFAI."""

import json

import pytest

from mellea.core import Budget, Capability, CBlock, ModelOption, RateLimitError, ServerError, UsageError
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import req, simple_validate
from mellea.stdlib.sampling import CascadeSamplingStrategy, SOFAISamplingStrategy
from mellea.testing import ScriptedBackend

SHORT = req("Short.", simple_validate(lambda text: (len(text) < 6, f"{len(text)} characters")))
LOWER = req("Lower case.", simple_validate(str.islower))
SESSION = ScriptedBackend([])


def scripts(*answers):
    return [ScriptedBackend(each) for each in answers]


async def ask(strategy, requirements=(SHORT,), ctx=None, backend=SESSION, **kwargs):
    return await strategy.sample(
        Instruction("Say something."), ctx or SimpleContext(), backend, requirements, **kwargs
    )


def texts(result):
    return [str(attempt.output) for attempt in result.attempts]


async def test_cheapest_backend_that_succeeds_is_the_last_one_asked():
    backends = scripts(["too long"], ["ok"], [])

    result = await ask(CascadeSamplingStrategy(backends))

    assert (result.value, result.why) == (
        "ok",
        "it was the first to meet every requirement, from backend 2 of 3",
    )
    assert backends[2].requests == []


async def test_each_backend_has_its_own_number_of_rounds():
    backends = scripts(["long one", "long two"], ["long three"])

    result = await ask(CascadeSamplingStrategy(backends, loop_budget=[2, 1]))

    assert texts(result) == ["long one", "long two", "long three"]
    assert [attempt.round for attempt in result.attempts] == [0, 1, 2]


async def test_provider_error_goes_on_to_the_next_backend():
    backends = scripts([RateLimitError("slow down")], ["ok"])

    result = await ask(CascadeSamplingStrategy(backends))

    assert result.value == "ok"


async def test_failure_returns_the_best_attempt_of_all_backends():
    backends = scripts(["lower but long"], ["UPPER AND LONG"])

    result = await ask(CascadeSamplingStrategy(backends), [SHORT, LOWER])

    assert result.value == "lower but long"
    assert "from backend 1 of 2" in result.why


async def test_error_of_a_later_backend_does_not_lose_what_is_in_hand():
    backends = scripts(["too long"], [ServerError("it burns")])

    result = await ask(CascadeSamplingStrategy(backends))

    assert result.value == "too long"
    assert "a backend failed: it burns" in result.why


async def test_error_of_every_backend_is_raised():
    with pytest.raises(RateLimitError):
        await ask(CascadeSamplingStrategy(scripts([RateLimitError("a")], [ServerError("b")])))


async def test_one_budget_bounds_all_backends():
    backends = scripts(["long one", "long two"], ["ok"])

    result = await ask(CascadeSamplingStrategy(backends, loop_budget=2), budget=Budget(attempts=2))

    assert texts(result) == ["long one", "long two"]
    assert backends[1].requests == []


async def test_lanes_run_for_each_backend():
    backends = scripts("too long", "ok")

    result = await ask(CascadeSamplingStrategy(backends, concurrency_budget=3))

    assert len(backends[0].requests) == 3
    assert result.value == "ok"


async def test_every_attempt_of_every_backend_has_a_seed_of_its_own():
    backends = scripts("too long", "too long")

    await ask(CascadeSamplingStrategy(backends, loop_budget=2), model_options={ModelOption.SEED: 5})

    assert len({request.options["seed"] for backend in backends for request in backend.requests}) == 4


async def test_the_calls_backend_judges_and_not_the_one_that_wrote():
    session = ScriptedBackend(["no, it is rude", "yes"])
    backends = scripts(["Go away!"], ["Please come in."])

    result = await ask(CascadeSamplingStrategy(backends), ["Be polite."], backend=session)

    assert result.value == "Please come in."
    assert len(session.requests) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CascadeSamplingStrategy([]),
        lambda: CascadeSamplingStrategy(["ollama"]),
        lambda: CascadeSamplingStrategy([SESSION], loop_budget=[1, 2]),
        lambda: CascadeSamplingStrategy([SESSION], loop_budget=0),
        lambda: CascadeSamplingStrategy([SESSION], handover="whatever"),
        lambda: SOFAISamplingStrategy(SESSION, SESSION, "whatever"),
        lambda: SOFAISamplingStrategy(SESSION, SESSION, loop_budget=0),
        lambda: SOFAISamplingStrategy(SESSION, SESSION, feedback_strategy="none"),
        lambda: SOFAISamplingStrategy(SESSION, None),
    ],
)
def test_wrong_settings_are_our_errors(wrong):
    with pytest.raises(UsageError):
        wrong()


async def test_fast_model_that_succeeds_spares_the_slow_one():
    fast, slow = scripts(["too long", "ok"], [])

    result = await ask(SOFAISamplingStrategy(fast, slow))

    assert result.value == "ok"
    assert slow.requests == []


async def test_fast_model_is_stuck_when_it_fails_the_same_requirements_again():
    fast, slow = scripts("TOO LONG", ["ok"])

    result = await ask(SOFAISamplingStrategy(fast, slow, loop_budget=5), [SHORT, LOWER])

    assert len(fast.requests) == 2
    assert result.value == "ok"


async def test_fast_model_goes_on_while_it_fails_differently():
    fast, slow = scripts(["too long", "ABC", "too long"], ["ok"])

    await ask(SOFAISamplingStrategy(fast, slow, loop_budget=3), [SHORT, LOWER])

    assert len(fast.requests) == 3


async def test_slow_model_never_makes_it_worse():
    fast, slow = scripts("lower but long", ["UPPER AND LONG"])

    result = await ask(SOFAISamplingStrategy(fast, slow), [SHORT, LOWER])

    assert result.value == "lower but long"


async def test_judges_really_judge():
    """A judge is asked about every attempt, and its no sends the work on to the next backend."""
    verdicts = [
        {"reason": "It is rude.", "met": False},
        {"reason": "Still rude.", "met": False},
        {"reason": "Good.", "met": True},
    ]
    judge = ScriptedBackend(map(json.dumps, verdicts), capabilities=[Capability.JSON_SCHEMA])
    fast, slow = scripts(["Go away!", "Go!"], ["Please come in."])

    result = await ask(
        SOFAISamplingStrategy(fast, slow, judge_backend=judge, feedback_strategy="all_errors"), ["Be polite."]
    )

    assert (result.value, len(judge.requests)) == ("Please come in.", 3)
    assert "It is rude." in fast.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("feedback", "told"),
    [("simple", [False, False]), ("first_error", [True, False]), ("all_errors", [True, True])],
)
async def test_feedback_tells_as_much_as_asked_for(feedback, told):
    fast, slow = scripts(["TOO LONG", "ok"], [])

    await ask(SOFAISamplingStrategy(fast, slow, feedback_strategy=feedback), [SHORT, LOWER])

    prompt = fast.requests[1].messages[-1].content
    assert ["Short." in prompt, "Lower case." in prompt] == told


@pytest.mark.parametrize("ctx", [SimpleContext(), ChatContext()], ids=["simple", "chat"])
async def test_feedback_goes_on_with_the_conversation_in_any_context(ctx):
    fast, slow = scripts(["too long", "ok"], [])

    result = await ask(SOFAISamplingStrategy(fast, slow), ctx=ctx)

    assert [message.role for message in fast.requests[1].messages] == ["user", "assistant", "user"]
    assert type(result.result_ctx) is type(ctx)


async def test_fresh_start_gives_the_slow_model_the_action_alone():
    fast, slow = scripts("too long", ["ok"])

    result = await ask(SOFAISamplingStrategy(fast, slow, "fresh_start"))

    assert [message.content for message in slow.requests[0].messages] == [
        fast.requests[0].messages[0].content
    ]
    assert len(result.result_ctx.as_list()) == 2


async def test_continue_chat_gives_the_slow_model_the_whole_conversation():
    fast, slow = scripts(["too long one", "too long two"], ["ok"])

    await ask(SOFAISamplingStrategy(fast, slow, "continue_chat"), ctx=ChatContext())

    messages = slow.requests[0].messages
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert messages[3].content == "too long two"


async def test_best_attempt_gives_the_slow_model_the_best_answer_and_what_it_lacks():
    fast, slow = scripts(["lower but long", "NEITHER OF THE TWO"], ["ok"])

    await ask(SOFAISamplingStrategy(fast, slow, "best_attempt", loop_budget=2), [SHORT, LOWER])

    (prompt,) = [message.content for message in slow.requests[0].messages]
    assert prompt.startswith("Say something.")
    assert "lower but long" in prompt
    assert "14 characters" in prompt


async def test_fast_model_that_fails_to_answer_hands_over():
    fast, slow = scripts([RateLimitError("slow down")], ["ok"])

    result = await ask(SOFAISamplingStrategy(fast, slow, "continue_chat"))

    assert result.value == "ok"


async def test_format_reaches_both_models():
    fast, slow = scripts(["no json", "none either"], ['{"a": 1}'])

    result = await SOFAISamplingStrategy(fast, slow).sample(
        CBlock("x"), SimpleContext(), SESSION, [], format={"type": "object"}
    )

    assert result.result.parsed == {"a": 1}
    assert len(fast.requests) == 2
