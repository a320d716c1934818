"""Scripted answers and faults, as users put them into tests of their own loops."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mellea import MelleaSession
from mellea.core import (
    Capability,
    ChatRequest,
    Message,
    ModelOption,
    RateLimitError,
    Requirement,
    ServerError,
    Usage,
    UsageError,
)
from mellea.core.errors import (
    ContextWindowError,
    OutputParseError,
    ProviderConnectionError,
    ProviderTimeoutError,
    StreamInterruptedError,
)
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import req
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import Fault, Reply, ScriptedBackend, filled


class User(BaseModel):
    name: str
    age: int


async def ask(backend, text="hi", **kwargs):
    thunk, _ = await backend.generate_from_context(text, SimpleContext(), **kwargs)
    await thunk.avalue()
    return thunk


async def sample(backend, requirements=(), **kwargs):
    strategy = RejectionSamplingStrategy(loop_budget=4)
    return await strategy.sample(
        Instruction("Say something."), SimpleContext(), backend, requirements, **kwargs
    )


async def test_bad_json_first_is_a_failed_attempt_that_the_loop_repairs():
    backend = ScriptedBackend([Fault.bad_json(), filled(name="Ada")])

    result = await sample(backend, format=User)

    assert [attempt.error is None for attempt in result.attempts] == [False, True]
    assert result.result.parsed == User(name="Ada", age=0)


@pytest.mark.parametrize("capabilities", [[], [Capability.JSON_SCHEMA]])
@pytest.mark.parametrize(
    "format", [User, {"type": "array", "items": {"type": "integer"}, "minItems": 3}, {"type": "boolean"}]
)
async def test_bad_json_is_bad_whatever_the_schema(format, capabilities):
    thunk = await ask(ScriptedBackend([Fault.bad_json()], capabilities=capabilities), format=format)

    with pytest.raises(OutputParseError):
        _ = thunk.parsed


async def test_second_requirement_fails_twice_and_then_is_met():
    backend = ScriptedBackend("x", failures={"It is kind.": 2})

    result = await sample(backend, ["It is short.", "It is kind."])

    verdicts = [[bool(verdict) for _, verdict in attempt.results] for attempt in result.attempts]
    assert verdicts == [[True, False], [True, False], [True, True]]
    assert result.attempts[1].results[1][1].reason == "no, scripted failure 2 of 2"


async def test_failures_may_have_reasons_and_come_as_json_where_the_backend_constrains():
    backend = ScriptedBackend(
        "x", failures={"It is kind.": ["It shouts."]}, capabilities=[Capability.JSON_SCHEMA]
    )

    result = await sample(backend, ["It is kind."])

    assert [attempt.results[0][1].reason for attempt in result.attempts] == ["It shouts.", "It is met."]


async def test_failures_are_told_when_one_request_asks_for_all_verdicts():
    class OneAtATime(ScriptedBackend):
        concurrent = False

    backend = OneAtATime("x", failures={"It is\nkind.": 1}, capabilities=[Capability.JSON_SCHEMA])

    result = await sample(backend, ["It is short.", "It is\nkind."])

    verdicts = [[bool(verdict) for _, verdict in attempt.results] for attempt in result.attempts]
    assert verdicts == [[True, False], [True, True]]
    assert backend.calls == 4


async def test_prompt_that_only_begins_like_a_judges_is_answered_from_the_script():
    backend = ScriptedBackend("from the script", failures={})

    assert (
        str(await ask(backend, "You check whether an answer meets a requirement. Be strict and fair."))
        == "from the script"
    )


@pytest.mark.parametrize("times", [-1, True, "twice"])
def test_failures_that_cannot_be_counted_are_refused(times):
    with pytest.raises(UsageError, match="cannot fail"):
        ScriptedBackend("x", failures={"It is kind.": times})


async def test_cut_stream_hands_on_its_pieces_before_it_breaks():
    backend = ScriptedBackend([Fault.cut_stream(after=2, answer="one two three")])
    thunk, _ = await backend.generate_from_context(
        "hi", SimpleContext(), model_options={ModelOption.STREAM: True}
    )

    with pytest.raises(StreamInterruptedError):
        await thunk.avalue()

    assert "".join([await thunk.astream()]) == "one two "


async def test_rate_limit_says_when_to_try_again():
    with pytest.raises(RateLimitError, match=re.escape("Try again in 3 seconds.")) as caught:
        await ask(ScriptedBackend([Fault.rate_limit(retry_after=3)]))

    assert (caught.value.retry_after, caught.value.status, caught.value.retryable) == (3, 429, True)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.server_error(503), ServerError),
        (Fault.timeout(), ProviderTimeoutError),
        (Fault.no_connection(), ProviderConnectionError),
        (Fault.context_window(), ContextWindowError),
    ],
)
async def test_fault_is_the_error_that_a_real_backend_raises_in_both_ways_of_asking(fault, error):
    with pytest.raises(error):
        await ask(ScriptedBackend([fault]))
    with pytest.raises(error):
        await ScriptedBackend([fault]).generate_from_raw(["x"])


async def test_stall_is_noticed_by_the_stream_timeout():
    backend = ScriptedBackend([Fault.stall(after=1)])

    with pytest.raises(ProviderTimeoutError, match="sent nothing"):
        await ask(backend, model_options={ModelOption.STREAM: True, ModelOption.STREAM_TIMEOUT: 0.01})


@pytest.mark.parametrize(
    "backend", [ScriptedBackend(Reply("x", latency=1000)), ScriptedBackend("x", latency=1000)]
)
async def test_answer_waits_for_its_latency(backend):
    patience = {ModelOption.STREAM_TIMEOUT: 0.01}

    with pytest.raises(ProviderTimeoutError):
        await ask(backend, model_options={ModelOption.STREAM: True, **patience})
    with pytest.raises(ProviderTimeoutError):
        await backend.generate_from_raw(["x"], model_options=patience)


async def test_stalled_answer_can_be_cancelled():
    thunk, _ = await ScriptedBackend([Fault.stall()]).generate_from_context("hi", SimpleContext())

    await thunk.cancel_generation()

    assert thunk.cancelled


async def test_details_of_a_reply_reach_the_thunk():
    reply = Reply("x", thinking="hm", finish_reason="length", usage=Usage(7, 8), latency=0.001)

    thunk = await ask(ScriptedBackend([reply]))

    assert (thunk.thinking, thunk.generation.finish_reasons, thunk.generation.usage) == (
        "hm",
        ("length",),
        Usage(7, 8),
    )


async def test_wrong_usage_is_reported_as_it_is():
    many, none = ScriptedBackend([Fault.wrong_usage()]), ScriptedBackend([Fault.wrong_usage(usage=None)])

    assert (await ask(many)).generation.usage.total_tokens == 2 * 10**9
    assert (await ask(none)).generation.usage is None


async def test_answer_cut_by_length_says_so():
    assert (await ask(ScriptedBackend([Fault.cut_by_length("a b")]))).generation.finish_reasons == ("length",)


async def test_fault_at_a_given_call_does_not_use_up_the_script():
    backend = ScriptedBackend(["a", "b"], faults={2: Fault.server_error()})

    first = await ask(backend)
    with pytest.raises(ServerError):
        await ask(backend)
    second = await ask(backend)

    assert (str(first), str(second), backend.calls) == ("a", "b", 3)


@pytest.mark.parametrize("number", [0, -1, "2"])
def test_call_that_does_not_exist_gets_no_fault(number):
    with pytest.raises(UsageError, match="no call number"):
        ScriptedBackend("x", faults={number: Fault.timeout()})


async def test_answers_are_chosen_by_the_prompt():
    backend = ScriptedBackend(
        {
            r"capital of (\w+)": "Paris",
            re.compile("COUNT", re.IGNORECASE): ["one", "two"],
            (lambda request: len(request.messages[0].content) > 20): lambda request: request.messages[
                0
            ].content[:4],
            "": Fault.server_error(),
        }
    )

    prompts = ["count", "The capital of France?", "count", "a rather long question"]
    said = [str(await ask(backend, prompt)) for prompt in prompts]

    assert said == ["one", "Paris", "two", "a ra"]
    assert backend.prompts == prompts
    with pytest.raises(ServerError):
        await ask(backend, "else")


async def test_script_for_one_kind_of_prompt_ends_by_itself():
    backend = ScriptedBackend({"a": ["x"], "": "y"})
    await ask(backend, "b")
    await ask(backend, "a")

    with pytest.raises(
        UsageError, match=r"no answer number 2 for prompts like 'a', which this prompt asks for: 'a again'"
    ):
        await ask(backend, "a again")


async def test_prompt_that_nothing_fits_is_shown_with_the_patterns():
    with pytest.raises(UsageError, match=r"fits this prompt: 'hi'\. Its patterns are: 'x', 'y'"):
        await ask(ScriptedBackend({"x": "1", "y": "2"}))


def test_every_prompt_of_a_batch_is_matched_for_itself():
    backend = ScriptedBackend({"a": "A", "b": "B"})

    with MelleaSession(backend):
        thunks = asyncio.run(backend.generate_from_raw(["b", "a"]))

    assert [str(thunk) for thunk in thunks] == ["B", "A"]


@pytest.mark.parametrize("script", [5, None, {"(": "x"}, {5: "x"}])
def test_script_that_makes_no_sense_is_refused_at_once(script):
    with pytest.raises(UsageError):
        ScriptedBackend(script)


async def test_answer_that_makes_no_sense_is_refused_when_its_turn_comes():
    with pytest.raises(UsageError, match="5 is no answer"):
        await ask(ScriptedBackend([5]))


async def test_one_fault_alone_answers_every_call():
    backend = ScriptedBackend(Fault.timeout())

    for _ in range(2):
        with pytest.raises(ProviderTimeoutError):
            await ask(backend)


@pytest.mark.parametrize(
    "numbers", [{"latency": -1}, {"after": -1}, {"latency": float("nan")}, {"after": "2"}]
)
def test_reply_with_impossible_numbers_is_refused(numbers):
    with pytest.raises(UsageError, match="at least 0"):
        Reply("x", **numbers)


@given(st.text(), st.integers(0, 8))
def test_cut_answer_is_a_beginning_of_the_whole(text, after):
    reply = Fault.cut_stream(after, text)

    shown = reply.pieces(None)

    assert len(shown) <= after
    assert text.startswith("".join(shown))


async def test_script_given_is_not_modified():
    answers, faults, failures = (
        ["a", ["b", ServerError("cut")]],
        {3: Fault.timeout()},
        {"It is kind.": ["no"]},
    )
    backend = ScriptedBackend(answers, faults=faults, failures=failures)

    await ask(backend)
    await Requirement("It is kind.").validate(backend, SimpleContext().add(await ask(ScriptedBackend("x"))))

    assert (len(answers), list(faults), failures) == (2, [3], {"It is kind.": ["no"]})


async def test_free_checks_are_not_touched_by_scripted_failures():
    result = await sample(ScriptedBackend("x", failures={}), [req("Never.", lambda ctx: False)])

    assert not result.success


async def test_several_answers_of_one_request_come_from_the_script_in_order():
    backend = ScriptedBackend(["a", "b c"], capabilities=[Capability.N_SAMPLES])

    chunks = [
        chunk
        async for chunk in backend.stream_chat(ChatRequest("script", (Message("user", "one two"),), n=2))
    ]

    assert [(chunk.index, chunk.text) for chunk in chunks if chunk.text] == [(0, "a"), (1, "b c")]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(2, 1), Usage(0, 2)]
