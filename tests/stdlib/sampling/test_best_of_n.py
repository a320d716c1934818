"""Best of n: rewards, and judges that grade."""

import json
import re

import pytest

from mellea.core import Budget, Capability, CBlock, ServerError, UsageError
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import graded, req, simple_validate
from mellea.stdlib.sampling import BestOfNSamplingStrategy, MajorityVotingStrategy, RejectionSamplingStrategy
from mellea.testing import Fault, ScriptedBackend
from tests.core.gated import Gate

GRADES = {"bad": 2, "fair": 5, "good": 9}
SHORT = req("Short.", simple_validate(lambda text: (len(text) < 5, f"{len(text)} characters")))


def entry(answer):
    return {"reason": f"It is {answer}.", "score": GRADES[answer]}


def graded_one(request):
    return json.dumps(entry(re.search(r"Answer:\n```\n(\w+)", request.messages[-1].content)[1]))


def graded_all(request):
    answers = re.findall(r"answer_\d+:\n```\n(\w+)", request.messages[-1].content)
    return json.dumps({f"answer_{number}": entry(answer) for number, answer in enumerate(answers, 1)})


class OneAtATime(ScriptedBackend):
    concurrent = False


def judge_of_many():
    return ScriptedBackend(graded_one, capabilities=[Capability.JSON_SCHEMA])


def judge_of_one_at_a_time():
    return OneAtATime({"answer_1:": graded_all, "": graded_one}, capabilities=[Capability.JSON_SCHEMA])


async def sample(strategy, answers, requirements=(), **kwargs):
    return await strategy.sample(
        CBlock("ask"), SimpleContext(), ScriptedBackend(answers), requirements, **kwargs
    )


def helpful(judge, **kwargs):
    return graded("How helpful is it?", judge=judge, **kwargs)


@pytest.mark.parametrize("judge", [judge_of_many, judge_of_one_at_a_time])
async def test_judge_chooses_the_answer_with_the_best_grade(judge):
    result = await sample(BestOfNSamplingStrategy(3, reward=helpful(judge())), ["bad", "good", "fair"])

    assert result.value == "good"
    assert result.why.startswith("of 3 answers, it meets 1 of 1 requirements with the highest score, 9")
    assert [attempt.results[0][1].reason for attempt in result.attempts] == [
        "graded 2 of 10: It is bad.",
        "graded 9 of 10: It is good.",
        "graded 5 of 10: It is fair.",
    ]


@pytest.mark.parametrize(("judge", "requests"), [(judge_of_many, 3), (judge_of_one_at_a_time, 1)])
async def test_judge_that_works_on_one_request_gets_one_for_all_answers(judge, requests):
    asked = judge()

    await sample(BestOfNSamplingStrategy(3, reward=helpful(asked)), ["bad", "good", "fair"])

    assert asked.calls == requests


async def test_answers_are_graded_side_by_side():
    begun = [Gate(), Gate()]

    class Meeting(ScriptedBackend):
        async def stream_chat(self, request):
            own = "good" in request.messages[-1].content
            begun[own].open()
            await begun[not own].passed()
            async for chunk in super().stream_chat(request):
                yield chunk

    judge = Meeting(graded_one, capabilities=[Capability.JSON_SCHEMA, Capability.STREAMING])

    result = await sample(BestOfNSamplingStrategy(2, reward=helpful(judge)), ["bad", "good"])

    assert result.value == "good"


@pytest.mark.parametrize("judge", [judge_of_many, judge_of_one_at_a_time])
async def test_tokens_of_the_grades_are_counted_once(judge):
    strategy = BestOfNSamplingStrategy(2, reward=helpful(judge()))
    graded_result = await sample(strategy, ["bad", "good"])
    plain = await sample(BestOfNSamplingStrategy(2), ["bad", "good"])

    spent = sum(
        result.usage.total_tokens
        for attempt in graded_result.attempts
        for _, result in attempt.results
        if result.usage
    )

    assert spent > 0
    assert graded_result.usage.total_tokens == plain.usage.total_tokens + spent


@pytest.mark.parametrize("judge", [judge_of_many, judge_of_one_at_a_time])
async def test_answer_that_a_free_check_has_failed_is_not_graded(judge):
    asked = judge()

    result = await sample(
        BestOfNSamplingStrategy(3, reward=helpful(asked)), ["bad", "good but long", "fair"], [SHORT]
    )

    assert result.value == "fair"
    assert not [prompt for prompt in asked.prompts if "good but long" in prompt]
    skipped = {
        str(attempt.output): [verdict.skipped for _, verdict in attempt.results]
        for attempt in result.attempts
    }
    assert skipped == {"bad": [False, False], "good but long": [True, False], "fair": [False, False]}


@pytest.mark.parametrize("judge", [judge_of_many, judge_of_one_at_a_time])
async def test_answers_that_all_fail_are_graded_when_judges_are_not_spared(judge):
    strategy = BestOfNSamplingStrategy(2, reward=helpful(judge()), spare_judges=False)

    result = await sample(strategy, ["good, and long", "bad, and long"], [SHORT])

    assert (result.success, result.value) == (False, "good, and long")


@pytest.mark.parametrize("judge", [judge_of_many, judge_of_one_at_a_time])
async def test_results_keep_the_order_of_the_requirements(judge):
    grade = helpful(judge())

    result = await sample(BestOfNSamplingStrategy(2), ["bad", "good"], [grade, SHORT])

    assert [[requirement for requirement, _ in attempt.results] for attempt in result.attempts] == [
        [grade, SHORT]
    ] * 2


@pytest.mark.parametrize("judge", [judge_of_many, judge_of_one_at_a_time])
async def test_grades_weigh_votes(judge):
    strategy = MajorityVotingStrategy(number_of_samples=3, weighted=True, reward=helpful(judge()))

    result = await sample(strategy, ["bad", "bad", "good"])

    assert result.value == "good"


async def test_any_strategy_repairs_an_answer_with_a_low_grade():
    result = await sample(
        RejectionSamplingStrategy(loop_budget=3), ["bad", "good"], [helpful(judge_of_many(), at_least=7)]
    )

    assert (result.success, result.value) == (True, "good")
    assert result.attempts[0].failures() == [
        ("How helpful is it?", "graded 2 of 10, and at least 7 is wanted: It is bad."),
    ]


async def test_lowest_grade_is_asked_for_while_lanes_can_still_repair():
    judge = judge_of_one_at_a_time()
    strategy = BestOfNSamplingStrategy(2, loop_budget=2, concurrency_budget=1)

    result = await sample(strategy, ["bad", "good", "fair", "good"], [helpful(judge, at_least=7)])

    assert [str(attempt.output) for attempt in result.attempts] == ["bad", "good", "fair", "good"]


@pytest.mark.parametrize("concurrent", [True, False])
async def test_judge_that_fails_for_every_answer_is_an_error(concurrent):
    class Judge(ScriptedBackend):
        pass

    Judge.concurrent = concurrent
    judge = Judge(ServerError("The judge broke."), capabilities=[Capability.JSON_SCHEMA])

    with pytest.raises(ServerError):
        await sample(BestOfNSamplingStrategy(2, reward=helpful(judge)), ["bad", "good"])


async def test_answers_are_returned_ungraded_when_the_time_is_spent():
    judge = OneAtATime(Fault.stall(), capabilities=[Capability.JSON_SCHEMA])

    result = await sample(
        BestOfNSamplingStrategy(2, reward=helpful(judge)), ["bad", "good"], budget=Budget(seconds=0.5)
    )

    assert {verdict.reason for attempt in result.attempts for _, verdict in attempt.results} == {
        "Not graded, because the budget of seconds was spent by then."
    }


def test_requirement_as_reward_is_one_of_every_call():
    reward = helpful(judge_of_many())

    assert BestOfNSamplingStrategy(2, reward=reward).requirements == (reward,)


@pytest.mark.parametrize("reward", ["How helpful is it?", 3])
def test_reward_that_is_neither_function_nor_requirement_is_our_error(reward):
    with pytest.raises(UsageError, match="no reward"):
        BestOfNSamplingStrategy(2, reward=reward)
