"""The loop of generate, parse, validate, repair, offline."""

import asyncio
import json

import pytest
from pydantic import BaseModel

from mellea.core import (
    Budget,
    Capability,
    CBlock,
    Chunk,
    ModelOption,
    RateLimitError,
    Requirement,
    RequirementsNotMetError,
    UsageError,
    ValidationResult,
)
from mellea.core.errors import BudgetError
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import check, req, simple_validate
from mellea.stdlib.sampling import (
    BestOfNSamplingStrategy,
    ModelFriendlyRepairStrategy,
    MultiTurnStrategy,
    RejectionSamplingStrategy,
    RepairTemplateStrategy,
)
from mellea.testing import ScriptedBackend

SHORT = req("Short.", simple_validate(lambda text: (len(text) < 6, f"{len(text)} characters")))
LOWER = req("Lower case.", simple_validate(str.islower))


async def sample(strategy, answers, requirements=(), ctx=None, **kwargs):
    backend = ScriptedBackend(answers)
    result = await strategy.sample(
        Instruction("Say something."), ctx or SimpleContext(), backend, requirements, **kwargs
    )
    return result, backend


async def test_first_success_ends_the_loop():
    result, backend = await sample(
        RejectionSamplingStrategy(loop_budget=5), ["too long", "ok", "never"], [SHORT]
    )

    assert (result.value, result.success, result.result_index) == ("ok", True, 1)
    assert len(backend.requests) == 2


async def test_every_attempt_is_kept_with_its_results():
    result, _ = await sample(RejectionSamplingStrategy(loop_budget=2), ["too long", "ok"], [SHORT])

    assert [str(attempt.output) for attempt in result.attempts] == ["too long", "ok"]
    assert result.attempts[0].results[0][1].reason == "8 characters"


async def test_failure_returns_the_attempt_that_meets_the_most():
    """Neither the first nor the last one is returned for its place."""
    result, _ = await sample(
        RejectionSamplingStrategy(loop_budget=3), ["TOO LONG", "ABC", "too long too"], [SHORT, LOWER]
    )

    assert result.value == "too long too"
    assert not result.success


async def test_failure_with_equal_counts_goes_by_score():
    scored = check("scored", lambda ctx: ValidationResult(False, score=float(str(ctx.last_output()))))

    result, _ = await sample(RejectionSamplingStrategy(loop_budget=3), ["1", "3", "2"], [scored])

    assert result.value == "3"


async def test_validator_that_raises_is_a_failed_check_with_a_reason():
    """A bug in a validator costs attempts, and never takes the loop down."""

    def broken(ctx):
        raise KeyError("oops")

    result, backend = await sample(RejectionSamplingStrategy(loop_budget=2), "x", [check("fine", broken)])

    assert len(backend.requests) == 2
    assert "raised KeyError" in result.attempts[0].results[0][1].reason


async def test_validator_that_returns_nonsense_is_a_failed_check():
    result, _ = await sample(RejectionSamplingStrategy(), "x", [check("fine", lambda ctx: "yes")])

    assert "returned str instead of a verdict" in result.attempts[0].results[0][1].reason


async def test_asynchronous_validator_is_awaited():
    """A coroutine that nobody awaits would be truthy, and meet every requirement."""

    async def no(ctx):
        await asyncio.sleep(0)
        return False, "never"

    result, _ = await sample(RejectionSamplingStrategy(), "x", [check("fine", no)])

    assert not result.success
    assert result.attempts[0].results[0][1].reason == "never"


async def test_output_that_does_not_parse_is_a_failed_attempt_and_tried_again():
    """Parsing belongs to the attempt: what cannot be read is repaired like a failed requirement."""

    class User(BaseModel):
        name: str

    result, _ = await sample(
        RejectionSamplingStrategy(loop_budget=2), ["not json", '{"name": "Ann"}'], format=User
    )

    assert result.result.parsed == User(name="Ann")
    assert "no User" in result.attempts[0].error


async def test_requirements_keep_their_order():
    """Merging the strategy's and the call's requirements does not go through a set."""
    requirements = [check(str(number), lambda ctx: True) for number in range(20)]

    result, _ = await sample(RejectionSamplingStrategy(requirements=requirements[:5]), "x", requirements[3:])

    assert [requirement.description for requirement, _ in result.result_validations] == [
        str(number) for number in range(20)
    ]


async def test_validators_see_the_conversation():
    """They are given the whole conversation up to the output."""
    seen = []
    ctx = ChatContext().add(CBlock("earlier"))

    await sample(
        RejectionSamplingStrategy(),
        "x",
        [check("look", lambda ctx: bool(seen.append(ctx.as_list())) or True)],
        ctx,
    )

    assert str(seen[0][0]) == "earlier"
    assert isinstance(seen[0][1], Instruction)
    assert str(seen[0][2]) == "x"


@pytest.mark.parametrize("answer", ["far too long", "too long" * 30])
async def test_repair_tells_the_reasons_and_shows_no_answer_that_would_be_repeated(answer):
    result, backend = await sample(RepairTemplateStrategy(loop_budget=2), [answer, "ok"], [SHORT])

    prompt = backend.requests[1].messages[-1].content
    assert result.success
    assert prompt.startswith("Say something.")
    assert f"{len(answer)} characters" in prompt
    assert "too long" not in prompt


async def test_repeated_repair_shows_the_last_answer_only():
    _, backend = await sample(
        ModelFriendlyRepairStrategy(loop_budget=3), ["first answer", "second answer", "ok"], [SHORT]
    )

    prompt = backend.requests[2].messages[-1].content
    assert "second answer" in prompt
    assert "first answer" not in prompt


async def test_multi_turn_goes_on_with_the_conversation():
    result, backend = await sample(
        MultiTurnStrategy(loop_budget=2), ["too long", "ok"], [SHORT], ChatContext()
    )

    assert [message.role for message in backend.requests[1].messages] == ["user", "assistant", "user"]
    assert len(result.result_ctx.as_list()) == 4


async def test_multi_turn_works_in_a_context_that_shows_nothing():
    result, backend = await sample(MultiTurnStrategy(loop_budget=2), ["too long", "ok"], [SHORT])

    assert result.success
    assert [message.role for message in backend.requests[1].messages] == ["user", "assistant", "user"]


async def test_a_requirements_own_fix_goes_before_the_model():
    lower = req("Lower case.", simple_validate(str.islower), repair=str.lower)

    result, backend = await sample(RejectionSamplingStrategy(loop_budget=2), ["HELLO"], [lower])

    assert (result.value, result.success, len(backend.requests)) == ("hello", True, 1)
    assert result.chosen.fixed_by == "Lower case."
    assert str(result.result_ctx.last_output()) == "hello"


async def test_each_attempt_and_lane_draws_with_a_seed_of_its_own():
    result, backend = await sample(
        RejectionSamplingStrategy(loop_budget=2, concurrency_budget=3),
        "x",
        [check("no", lambda ctx: False)],
        model_options={ModelOption.SEED: 7},
    )

    seeds = [request.options["seed"] for request in backend.requests]
    assert len(result.attempts) == 6
    assert len(set(seeds)) == 6
    assert 7 in seeds


class Racing(ScriptedBackend):
    """The second request answers at once; the others wait until they are cancelled."""

    def __init__(self):
        super().__init__("")
        self.cancelled = 0

    async def stream_chat(self, request):
        self.requests.append(request)
        if len(self.requests) != 2:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        yield Chunk(text="ok")


async def test_first_success_stops_the_other_lanes():
    backend = Racing()

    result = await RejectionSamplingStrategy(concurrency_budget=3).sample(
        CBlock("x"), SimpleContext(), backend, [SHORT]
    )

    assert result.value == "ok"
    assert backend.cancelled == 2


async def test_provider_error_leaves_the_loop():
    backend = ScriptedBackend([RateLimitError("slow down")])

    with pytest.raises(RateLimitError):
        await RejectionSamplingStrategy(loop_budget=3).sample(CBlock("x"), SimpleContext(), backend, [SHORT])


async def test_one_failing_lane_does_not_spoil_the_others_success():
    backend = ScriptedBackend([RateLimitError("slow down"), "ok", "ok"])

    result = await RejectionSamplingStrategy(concurrency_budget=3).sample(
        CBlock("x"), SimpleContext(), backend, [SHORT]
    )

    assert result.success


async def test_programming_error_in_a_repair_leaves_the_loop():
    class Wrong(RejectionSamplingStrategy):
        @staticmethod
        def repair(*args):
            raise ZeroDivisionError

    for lanes in (1, 2):
        with pytest.raises(ZeroDivisionError):
            await Wrong(loop_budget=2, concurrency_budget=lanes).sample(
                CBlock("x"), SimpleContext(), ScriptedBackend("long text"), [SHORT]
            )


async def test_budget_of_attempts_bounds_all_lanes():
    result, backend = await sample(
        RejectionSamplingStrategy(loop_budget=5, concurrency_budget=2, budget=Budget(attempts=3)),
        "long text",
        [SHORT],
    )

    assert len(backend.requests) == len(result.attempts) == 3


async def test_budget_of_tokens_is_checked_between_attempts():
    result, _ = await sample(
        RejectionSamplingStrategy(loop_budget=9, budget=Budget(tokens=10)), "one two three four", [SHORT]
    )

    assert len(result.attempts) == 2


async def test_budget_of_seconds_ends_a_call_that_has_nothing():
    backend = Racing()

    with pytest.raises(BudgetError, match=r"0\.05 seconds"):
        await RejectionSamplingStrategy(budget=Budget(seconds=0.05)).sample(
            CBlock("x"), SimpleContext(), backend, [SHORT]
        )


async def test_best_of_n_takes_the_highest_reward():
    result, _ = await sample(BestOfNSamplingStrategy(4, reward=len), ["a", "aaa", "aa", ""], [])

    assert result.value == "aaa"
    assert len(result.attempts) == 4


async def test_raise_for_failure_says_what_is_missing():
    result, _ = await sample(RejectionSamplingStrategy(), "much too long", [SHORT])

    with pytest.raises(RequirementsNotMetError, match="13 characters") as caught:
        result.raise_for_failure()
    assert caught.value.result is result


async def test_result_is_json():
    result, _ = await sample(RejectionSamplingStrategy(loop_budget=2), ["too long", "ok"], [SHORT])

    told = json.loads(result.to_json())

    assert told["success"] is True
    assert told["attempts"][0]["requirements"][0] == {
        "requirement": "Short.",
        "met": False,
        "reason": "8 characters",
        "score": None,
        "skipped": False,
        "seconds": pytest.approx(0, abs=1),
        "tokens": 0,
    }


@pytest.mark.parametrize("name", ["loop_budget", "concurrency_budget"])
def test_budget_below_one_is_our_error(name):
    with pytest.raises(UsageError, match=name):
        RejectionSamplingStrategy(**{name: 0})


def test_validator_with_the_wrong_signature_is_our_error():
    with pytest.raises(UsageError, match="validation_fn"):
        Requirement("x", lambda: True)


class Judge(ScriptedBackend):
    """Answers judging questions in constrained JSON."""

    def __init__(self, *verdicts, concurrent=True):
        super().__init__([json.dumps(verdict) for verdict in verdicts], capabilities=[Capability.JSON_SCHEMA])
        self.concurrent = concurrent


async def test_judges_answer_in_constrained_json_and_their_reason_reaches_the_repair():
    judge = Judge({"reason": "It is rude.", "met": False}, {"reason": "It is polite.", "met": True})
    backend = ScriptedBackend(["Go away!", "Please come in."])

    result = await RepairTemplateStrategy(loop_budget=2, judge=judge).sample(
        CBlock("Greet."), SimpleContext(), backend, ["Be polite."]
    )

    assert result.success
    assert "It is rude." in backend.requests[1].messages[-1].content
    assert judge.requests[0].options["temperature"] == 0.0
    assert "Go away!" in judge.requests[0].messages[-1].content
    assert "Greet." in judge.requests[0].messages[-1].content


async def test_one_request_judges_all_where_requests_do_not_run_side_by_side():
    verdict = {"reason": "Good.", "met": True}
    judge = Judge({"requirement_1": verdict, "requirement_2": verdict | {"met": False}}, concurrent=False)

    result = await RejectionSamplingStrategy(judge=judge).sample(
        CBlock("x"), SimpleContext(), ScriptedBackend("y"), ["A.", "B."]
    )

    assert [bool(verdict) for _, verdict in result.result_validations] == [True, False]
    assert len(judge.requests) == 1


async def test_failed_free_check_spares_the_judges():
    judge = Judge()

    result = await RejectionSamplingStrategy(judge=judge).sample(
        CBlock("x"), SimpleContext(), ScriptedBackend("too long"), ["A.", SHORT]
    )

    assert judge.requests == []
    assert result.result_validations[0][1].skipped


async def test_judging_in_words_reads_the_first_yes_or_no():
    """A yes somewhere in a judge's words is no verdict."""
    backend = ScriptedBackend(["answer", "No, yes would be wrong."])

    result = await RejectionSamplingStrategy().sample(CBlock("x"), SimpleContext(), backend, ["Be right."])

    assert not result.success
