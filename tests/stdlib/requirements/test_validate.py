"""Validating one output against many requirements."""

import asyncio

import pytest

from mellea.core import Capability, Requirement, ServerError, UsageError, ValidationResult
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import LLMaJRequirement, check, simple_validate, validate_all
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate

CTX = SimpleContext().add(ModelOutputThunk("text"))
GOOD, BAD = check("good", lambda ctx: True), check("bad", lambda ctx: (False, "it is bad"))


class Meeting(Requirement):
    """Waits until another one has begun."""

    def __init__(self, own, other):
        super().__init__("Meets.")
        self.own, self.other = own, other

    async def validate(self, backend, ctx, *, format=None, model_options=None):
        self.own.open()
        await self.other.passed()
        return ValidationResult(True)


async def test_results_come_in_the_order_of_the_requirements():
    results = await validate_all([GOOD, BAD], CTX, ScriptedBackend("x"))

    assert [(result.result, result.reason) for result in results] == [(True, None), (False, "it is bad")]


async def test_judge_between_free_checks_keeps_its_place():
    results = await validate_all([GOOD, Requirement("Kind."), GOOD], CTX, ScriptedBackend(["no, it is rude"]))

    assert [result.result for result in results] == [True, False, True]
    assert results[1].reason == "no, it is rude"


async def test_failed_free_check_spares_the_judges():
    backend = ScriptedBackend("yes")

    results = await validate_all([Requirement("Kind."), BAD], CTX, backend)

    assert backend.requests == []
    assert [(result.result, result.skipped) for result in results] == [(False, True), (False, False)]


async def test_judges_can_be_asked_all_the_same():
    results = await validate_all([Requirement("Kind."), BAD], CTX, ScriptedBackend("yes"), spare_judges=False)

    assert [result.result for result in results] == [True, False]


async def test_free_checks_run_side_by_side():
    one, two = Gate(), Gate()

    assert all(await validate_all([Meeting(one, two), Meeting(two, one)], CTX, ScriptedBackend("x")))


async def test_judge_of_the_call_and_judge_of_the_requirement():
    writer, judge, own = ScriptedBackend("no"), ScriptedBackend("yes"), ScriptedBackend("yes")

    results = await validate_all(
        [Requirement("a"), LLMaJRequirement("b", judge=own)], CTX, writer, judge_backend=judge
    )

    assert all(results)
    assert (len(writer.requests), len(judge.requests), len(own.requests)) == (0, 1, 1)


async def test_backend_that_works_on_one_request_gets_one_for_all():
    class OneAtATime(ScriptedBackend):
        concurrent = False

    kind, long = '{"reason": "kind", "met": true}', '{"reason": "long", "met": false}'
    verdicts = f'{{"requirement_1": {kind}, "requirement_2": {long}}}'
    backend = OneAtATime([verdicts], capabilities=[Capability.JSON_SCHEMA])

    results = await validate_all([Requirement("Kind."), Requirement("Short.")], CTX, backend)

    assert [(result.result, result.reason) for result in results] == [(True, "kind"), (False, "long")]
    assert len(backend.requests) == 1


async def test_nothing_to_check_asks_nobody():
    backend = ScriptedBackend("x")

    assert await validate_all([], CTX, backend) == []
    assert backend.requests == []


async def test_judge_that_fails_is_an_error_and_no_verdict():
    with pytest.raises(ServerError):
        await validate_all([Requirement("Kind.")], CTX, ScriptedBackend([ServerError("The judge broke.")]))


async def test_requirement_without_check_and_words_is_our_error():
    with pytest.raises(UsageError, match="neither"):
        await validate_all([Requirement(None)], CTX, ScriptedBackend("x"))


async def test_judging_without_output_is_our_error():
    with pytest.raises(UsageError, match="no output"):
        await validate_all([Requirement("Kind.")], SimpleContext(), ScriptedBackend("x"))


async def test_check_that_is_cancelled_is_no_failed_check():
    never = Gate()

    async def waits(ctx):
        await never.passed()

    task = asyncio.create_task(validate_all([check("waits", waits)], CTX, ScriptedBackend("x")))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("error", [ValueError("oops"), ServerError("oops")])
async def test_check_that_raises_is_a_failed_check(error):
    """A bug in a check neither leaves the loop nor lets the output pass."""

    def broken(ctx):
        raise error

    result = (await validate_all([check("broken", broken)], CTX, ScriptedBackend("x")))[0]

    assert not result
    assert result.reason == f"The check 'broken' raised {type(error).__name__}: oops"


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


async def test_check_whose_error_cannot_be_told_is_a_failed_check():
    def broken(ctx):
        raise SilentError

    result = (await validate_all([check("broken", broken)], CTX, ScriptedBackend("x")))[0]

    assert not result
    assert "SilentError" in result.reason


async def test_check_that_awaits_what_was_cancelled_is_a_failed_check():
    async def waits(ctx):
        other = asyncio.create_task(asyncio.sleep(9))
        other.cancel()
        await other

    result = (await validate_all([check("waits", waits)], CTX, ScriptedBackend("x")))[0]

    assert not result
    assert "CancelledError" in result.reason


async def test_text_check_sees_the_text_only():
    seen = []

    await validate_all(
        [check("sees", simple_validate(lambda text: seen.append(text) is None))], CTX, ScriptedBackend("x")
    )

    assert seen == ["text"]
