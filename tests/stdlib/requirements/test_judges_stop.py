"""Judges and checks that run side by side leave nothing running when one fails or all are cancelled."""

import asyncio

import pytest

from mellea.core import ModelOption, Requirement, ServerError, UsageError, ValidationResult
from mellea.core.judge import judge
from mellea.core.options import OptionTable
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import LLMaJRequirement, graded, validate_all
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend

CTX = SimpleContext().add(ModelOutputThunk("text"))


class GatedJudge(GatedBackend):
    options = OptionTable({ModelOption.TEMPERATURE: "temperature"}, {})


def pair():
    """A judge that waits, and one that fails as soon as the other is under way."""
    slow, failing = GatedJudge("yes"), GatedJudge(error=ServerError("The judge broke."))
    failing.release = slow.reached
    return slow, failing


async def test_judge_that_fails_stops_the_other_judges():
    slow, failing = pair()
    requirements = [LLMaJRequirement("Kind.", judge=slow), LLMaJRequirement("Short.", judge=failing)]

    with pytest.raises(ServerError, match=r"The judge broke\."):
        await validate_all(requirements, CTX, ScriptedBackend("x"))

    assert slow.stopped.is_open()


async def test_judge_that_fails_stops_a_grade():
    slow, failing = pair()

    with pytest.raises(ServerError):
        await validate_all(
            [graded("Kind?", judge=slow), graded("Short?", judge=failing)], CTX, ScriptedBackend("x")
        )

    assert slow.stopped.is_open()


async def test_verdict_that_fails_stops_the_others_of_the_same_judge():
    reached, stopped = Gate(), Gate()

    class Judge(GatedJudge):
        async def stream_chat(self, request):
            if "Short." in request.messages[-1].content:
                await reached.passed()
                raise ServerError("The judge broke.")
            async for chunk in super().stream_chat(request):
                yield chunk

    backend = Judge("yes")
    backend.reached, backend.stopped = reached, stopped

    with pytest.raises(ServerError):
        await judge([Requirement("Kind."), Requirement("Short.")], backend, CTX)

    assert stopped.is_open()


async def test_cancelled_caller_stops_every_judge():
    one, other = GatedJudge("yes"), GatedJudge("yes")
    requirements = [LLMaJRequirement("Kind.", judge=one), LLMaJRequirement("Short.", judge=other)]
    call = asyncio.create_task(validate_all(requirements, CTX, ScriptedBackend("x")))
    await one.reached.passed()
    await other.reached.passed()

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert (one.stopped.is_open(), other.stopped.is_open()) == (True, True)


async def test_check_of_its_own_making_that_raises_stops_the_others():
    begun, stopped, never = Gate(), Gate(), Gate()

    class Waiting(Requirement):
        async def validate(self, backend, ctx, *, format=None, model_options=None):
            try:
                begun.open()
                await never.passed()
            finally:
                stopped.open()
            return ValidationResult(True)

    class Raising(Requirement):
        async def validate(self, backend, ctx, *, format=None, model_options=None):
            await begun.passed()
            raise UsageError("It cannot be checked.")

    with pytest.raises(UsageError, match="cannot be checked"):
        await validate_all([Waiting("a"), Raising("b")], CTX, ScriptedBackend("x"))

    assert stopped.is_open()
