"""The shared loop where it is easy to get wrong: lanes, budgets, errors, contexts, fixes."""

import asyncio
import contextvars
import gc
import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import (
    Budget,
    CapabilityError,
    CBlock,
    Chunk,
    Context,
    ModelOption,
    ModelOutputThunk,
    RateLimitError,
    UsageError,
    ValidationResult,
)
from mellea.core.errors import BudgetError
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import check, req, simple_validate
from mellea.stdlib.sampling import (
    BaseSamplingStrategy,
    BestOfNSamplingStrategy,
    MultiTurnStrategy,
    RejectionSamplingStrategy,
    RepairTemplateStrategy,
)
from mellea.stdlib.sampling.repair import ModelFriendlyFeedbackFormatter
from mellea.testing import ScriptedBackend

SHORT = req("Short.", simple_validate(lambda text: (len(text) < 6, f"{len(text)} characters")))
NEVER = check("never", lambda ctx: False)


async def sample(strategy, answers, requirements=(), ctx=None, **kwargs):
    backend = answers if isinstance(answers, ScriptedBackend) else ScriptedBackend(answers)
    result = await strategy.sample(
        Instruction("Say something."), ctx or SimpleContext(), backend, requirements, **kwargs
    )
    return result, backend


class Gated(ScriptedBackend):
    """Answers each request when its gate opens; counts those that were stopped."""

    def __init__(self, *answers):
        super().__init__("")
        self.answers = answers
        self.gates = [asyncio.Event() for _ in answers]
        self.stopped = 0

    async def stream_chat(self, request):
        number = len(self.requests)
        self.requests.append(request)
        try:
            await self.gates[number].wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if isinstance(self.answers[number], Exception):
            raise self.answers[number]
        yield Chunk(text=self.answers[number])


async def started(backend, number):
    while len(backend.requests) < number:
        await asyncio.sleep(0)


async def test_cancelling_the_call_stops_every_lane():
    backend = Gated("a", "b", "c")
    call = asyncio.create_task(
        RejectionSamplingStrategy(concurrency_budget=3).sample(CBlock("x"), SimpleContext(), backend, [])
    )
    await started(backend, 3)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert backend.stopped == 3


async def test_a_call_leaves_no_task_behind():
    gc.collect()  # what other tests have left
    await asyncio.sleep(0)
    before = asyncio.all_tasks()

    await sample(RejectionSamplingStrategy(concurrency_budget=3), ["ok", "ok", "ok"], [SHORT])
    gc.collect()

    assert asyncio.all_tasks() <= before


async def test_budget_of_seconds_keeps_the_attempts_made():
    backend = Gated("too long a text", "never comes")
    backend.gates[0].set()

    result, _ = await sample(
        RejectionSamplingStrategy(loop_budget=2), backend, [SHORT], budget=Budget(seconds=0.05)
    )

    assert (result.value, result.success) == ("too long a text", False)
    assert "the budget of 0.05 seconds is spent" in result.why


async def test_budget_of_seconds_bounds_the_preparation_of_the_context():
    class Slow(SimpleContext):
        async def prepare(self, backend):
            await asyncio.Event().wait()

    with pytest.raises(BudgetError, match=r"0\.05 seconds"):
        await sample(RejectionSamplingStrategy(), "ok", ctx=Slow(), budget=Budget(seconds=0.05))


async def test_programming_error_in_one_lane_stops_the_others_at_once():
    class Wrong(RejectionSamplingStrategy):
        @staticmethod
        def repair(*args):
            raise ZeroDivisionError

    backend = Gated("too long", "never comes")
    backend.gates[0].set()

    with pytest.raises(ZeroDivisionError):
        await Wrong(loop_budget=2, concurrency_budget=2).sample(
            CBlock("x"), SimpleContext(), backend, [SHORT]
        )
    assert backend.stopped == 1


async def test_callers_mistake_is_raised_even_where_failed_lanes_are_left_out():
    with pytest.raises(CapabilityError):
        await sample(BestOfNSamplingStrategy(2), "x", tool_calls=True)


async def test_best_of_n_leaves_out_an_answer_that_the_provider_failed_to_give():
    result, _ = await sample(BestOfNSamplingStrategy(3, reward=len), ["aa", RateLimitError("slow down"), "a"])

    assert result.value == "aa"
    assert "slow down" in result.why


async def test_best_of_n_draws_as_many_at_once_as_it_may():
    backend = Gated("a", "bb", "ccc")
    call = asyncio.create_task(sample(BestOfNSamplingStrategy(3, reward=len, concurrency_budget=1), backend))
    await started(backend, 1)
    at_first = len(backend.requests)
    for gate in backend.gates:
        gate.set()

    result, _ = await call

    assert at_first == 1
    assert result.value == "ccc"


async def test_reward_that_is_no_number_does_not_win():
    rewards = {"a": 1.0, "b": math.nan}

    result, _ = await sample(BestOfNSamplingStrategy(2, reward=rewards.__getitem__), ["b", "a"])

    assert result.value == "a"


async def test_ties_do_not_depend_on_which_lane_ends_first():
    backend = Gated("first lane", "second lane")
    call = asyncio.create_task(sample(BestOfNSamplingStrategy(2), backend))
    await started(backend, 2)
    backend.gates[1].set()
    backend.gates[0].set()

    result, _ = await call

    assert result.value == "second lane"


async def test_seed_of_the_backend_varies_too():
    backend = ScriptedBackend("too long", model_options={ModelOption.SEED: 3})

    await sample(RejectionSamplingStrategy(loop_budget=3), backend, [SHORT])

    seeds = [request.options["seed"] for request in backend.requests]
    assert seeds[0] == 3
    assert len(set(seeds)) == 3


async def test_a_seed_repeats_the_run():
    runs = [
        (
            await sample(
                RejectionSamplingStrategy(loop_budget=3),
                "too long",
                [SHORT],
                model_options={ModelOption.SEED: 7},
            )
        )[1]
        for _ in range(2)
    ]

    assert [r.options["seed"] for r in runs[0].requests] == [r.options["seed"] for r in runs[1].requests]


async def test_the_callers_options_and_lists_are_left_alone():
    options, requirements = {ModelOption.SEED: 1}, [SHORT]

    await sample(RejectionSamplingStrategy(loop_budget=2), "too long", requirements, model_options=options)

    assert (options, requirements) == ({ModelOption.SEED: 1}, [SHORT])


async def test_multi_turn_leaves_the_kind_of_context_as_it_was():
    result, _ = await sample(MultiTurnStrategy(loop_budget=2), ["too long", "ok"], [SHORT])

    assert type(result.result_ctx) is SimpleContext
    assert [str(span) for span in result.result_ctx.as_list()[1:]] == ["ok"]


async def test_multi_turn_works_over_a_context_type_of_ones_own_that_shows_nothing():
    class Silent(Context):
        def add(self, span):
            return self.from_previous(self, span)

        def view_for_generation(self):
            return None

    result, backend = await sample(
        MultiTurnStrategy(loop_budget=3), ["too long", "again too long", "ok"], [SHORT], Silent()
    )

    assert type(result.result_ctx) is Silent
    assert [message.role for message in backend.requests[2].messages] == ["user", "assistant"] * 2 + ["user"]


async def test_validation_context_is_what_validators_see():
    seen = []
    look = check("look", lambda ctx: bool(seen.append([str(span) for span in ctx.as_list()])) or True)
    shown = ChatContext().add(CBlock("what validators see"))

    await RejectionSamplingStrategy().sample(
        CBlock("ask"), SimpleContext(), ScriptedBackend("answer"), [look], validation_ctx=shown
    )

    assert seen == [["what validators see", "ask", "answer"]]


async def test_a_fix_that_raises_is_told_and_the_model_is_asked_again():
    broken = req("Lower.", simple_validate(str.islower), repair=lambda text: text[100])

    result, _ = await sample(RejectionSamplingStrategy(loop_budget=2), ["ABC", "abc"], [broken])

    assert result.value == "abc"
    assert "its own fix raised IndexError" in result.attempts[0].results[0][1].reason


async def test_a_fix_costs_no_tokens_of_generation_twice():
    lower = req("Lower.", simple_validate(str.islower), repair=str.lower)

    result, _ = await sample(RejectionSamplingStrategy(), "ABC", [lower])

    assert result.usage.completion_tokens == 1


async def test_two_fixes_work_together():
    lower = req("Lower.", simple_validate(str.islower), repair=str.lower)
    cut = req("Short.", simple_validate(lambda text: len(text) < 4), repair=lambda text: text[:3])

    result, _ = await sample(RejectionSamplingStrategy(), "ABCDE", [lower, cut])

    assert (result.value, result.success) == ("abc", True)


async def test_the_same_words_are_judged_once():
    strategy = RejectionSamplingStrategy(requirements=["Be kind."])

    result, backend = await sample(strategy, ["hi", "yes"], ["Be kind."])

    assert len(result.result_validations) == 1
    assert len(backend.requests) == 2


@pytest.mark.parametrize("wrong", ["Be kind.", SHORT], ids=["text", "requirement"])
def test_one_requirement_instead_of_a_list_is_our_error(wrong):
    with pytest.raises(UsageError, match=r"requirements=\[\.\.\.\]"):
        RejectionSamplingStrategy(requirements=wrong)


@pytest.mark.parametrize("wrong", [0, -1, "3", 1.5, True, None])
def test_number_of_rounds_that_is_none_is_our_error(wrong):
    with pytest.raises(UsageError, match="loop_budget"):
        RejectionSamplingStrategy(loop_budget=wrong)


@pytest.mark.parametrize("wrong", [0, -1, math.nan, "3", True])
def test_bound_that_is_no_positive_number_is_our_error(wrong):
    with pytest.raises(UsageError, match=r"budget.* attempts|attempts"):
        Budget(attempts=wrong)


async def test_selection_of_ones_own_gets_what_failed_to_parse():
    seen = []

    class Mine(RejectionSamplingStrategy):
        def select_from_failure(self, actions, outputs, results):
            seen.extend(results)
            return 0

    result, _ = await sample(Mine(loop_budget=2), ["no json", "none either"], format={"type": "object"})

    assert result.value == "no json"
    assert "Mine" in result.why
    assert [bool(verdict) for verdicts in seen for _, verdict in verdicts] == [False, False]


async def test_selection_out_of_range_is_our_error():
    class Mine(RejectionSamplingStrategy):
        @staticmethod
        def select_from_failure(actions, outputs, results):
            return 7

    with pytest.raises(UsageError, match="returned 7 for 1 attempts"):
        await sample(Mine(), "x", [NEVER])


async def test_output_of_a_strategy_of_ones_own():
    class Fixed(BaseSamplingStrategy):
        async def generate(self, call, action, ctx, lane, round_):
            output = ModelOutputThunk("made here")
            return output, ctx.add(action).add(output)

    result, backend = await sample(Fixed(), "", [NEVER])

    assert result.value == "made here"
    assert backend.requests == []


async def test_reason_of_the_choice_is_in_words():
    lower = req("Lower.", simple_validate(str.islower))
    cases = [
        await sample(RejectionSamplingStrategy(), "x"),
        await sample(RejectionSamplingStrategy(), "x", [SHORT]),
        await sample(RejectionSamplingStrategy(), "too long", [SHORT, lower]),
        await sample(RejectionSamplingStrategy(loop_budget=2), ["TOO LONG", "too long"], [SHORT, lower]),
        await sample(RejectionSamplingStrategy(loop_budget=2), "too long", [SHORT, lower]),
    ]

    assert [result.why for result, _ in cases] == [
        "there was nothing to check",
        "it was the first to meet every requirement",
        "the only attempt failed; it meets 1 of 2 requirements",
        "none of 2 attempts met every requirement; it meets 1 of 2 requirements, the most",
        (
            "none of 2 attempts met every requirement; "
            "it meets 1 of 2 requirements, as many as any, and is the latest"
        ),
    ]


async def test_table_has_a_line_for_each_attempt_and_marks_the_chosen_one():
    result, _ = await sample(RejectionSamplingStrategy(loop_budget=2), ["too long", "ok"], [SHORT])

    head, first, second = result.table().splitlines()

    assert head.split()[:3] == ["attempt", "lane", "round"]
    assert first.endswith("Short: 8 characters")
    assert second.startswith("*")


def test_feedback_on_something_important_says_nothing_of_imports():
    formatter = ModelFriendlyFeedbackFormatter()

    assert formatter.format("It is important to be brief") == "It is important to be brief"
    assert formatter.format("it imports os, which is not allowed").startswith("Use only the modules")


scores = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=False))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), scores), min_size=1, max_size=5))
def test_failure_never_returns_less_than_the_best_attempt(verdicts):
    """Whatever the verdicts, the attempt that is chosen has the highest rank of all."""
    first = check("first", lambda ctx: ValidationResult(verdicts[int(str(ctx.last_output()))][0]))
    second = check(
        "second",
        lambda ctx: ValidationResult(
            *verdicts[int(str(ctx.last_output()))][1:2], score=verdicts[int(str(ctx.last_output()))][2]
        ),
    )
    strategy = RepairTemplateStrategy(loop_budget=len(verdicts))

    result, _ = asyncio.run(
        sample(strategy, [str(number) for number in range(len(verdicts))], [first, second, NEVER])
    )

    assert result.chosen.rank == max(attempt.rank for attempt in result.attempts)


async def test_synchronous_check_runs_under_the_deadline_and_leaves_the_loop_free():
    begun, may_end, ticks = threading.Event(), threading.Event(), []

    def slow(ctx):
        begun.set()
        may_end.wait(60)
        return True

    async def tick():
        while not ticks:
            await asyncio.sleep(0.001)
            ticks.extend([1] if begun.is_set() else [])

    beside = asyncio.ensure_future(tick())
    with pytest.raises(BudgetError):
        await sample(RejectionSamplingStrategy(), "x", [check("slow", slow)], budget=Budget(seconds=0.2))
    await beside
    may_end.set()


@pytest.mark.parametrize("error", [KeyError("lost"), StopIteration(3)])
async def test_check_that_raises_under_a_deadline_is_a_failed_check(error):
    def failing(ctx):
        raise error

    result, _ = await sample(
        RejectionSamplingStrategy(), "x", [check("fails", failing)], budget=Budget(seconds=60)
    )
    assert not result.success
    assert type(error).__name__ in str(result.result_validations[0][1].reason)


async def test_check_under_a_deadline_sees_the_context_variables_of_the_caller():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")

    result, _ = await sample(
        RejectionSamplingStrategy(),
        "x",
        [check("sees", lambda ctx: variable.get() == "set")],
        budget=Budget(seconds=60),
    )
    assert result.success
