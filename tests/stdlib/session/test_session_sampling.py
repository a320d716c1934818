"""The session's verbs with requirements and strategies, offline."""

import asyncio
import json
from collections import defaultdict

import pytest
from pydantic import BaseModel

from mellea import (
    ChatContext,
    MelleaSession,
    ModelOption,
    RejectionSamplingStrategy,
    Requirement,
    SamplingResult,
    check,
    generative,
    req,
    simple_validate,
    start_session,
)
from mellea.core import (
    Budget,
    Capability,
    CBlock,
    Chunk,
    ClosedError,
    GenerationCancelledError,
    ModelOutputThunk,
    RateLimitError,
    RequirementsNotMetError,
    RequirementsNotMetWarning,
    TemplateError,
    UsageError,
)
from mellea.core.errors import UnknownPluginError
from mellea.stdlib.sampling import MultiTurnStrategy, RepairTemplateStrategy
from mellea.stdlib.sampling import plugin as named_strategies
from mellea.testing import ScriptedBackend
from tests.core.gated import GatedBackend
from tests.core.test_generation import BarrierBackend

SHORT = req("Short.", simple_validate(lambda text: (len(text) < 6, f"{len(text)} characters")))
NEVER = check("never", lambda ctx: (False, "never met"))


class User(BaseModel):
    name: str


@generative
async def greeting(name: str) -> str:
    """Greet somebody."""


class Together(BarrierBackend):
    """Greets, as JSON, when as many calls as expected have arrived."""

    async def stream_chat(self, request):
        await self.barrier.wait()
        yield Chunk(text='{"result": "hello"}')


def chat_session(*answers, **kwargs):
    return MelleaSession(ScriptedBackend(answers), ChatContext(), **kwargs)


def said(session):
    return [str(span) for span in session.ctx.as_list() if isinstance(span, ModelOutputThunk)]


# Attempts


def test_instruction_that_fails_is_tried_a_second_time():
    m = chat_session("much too long", "ok")

    output = m.instruct("Say something.", requirements=[SHORT])

    assert output.value == "ok"
    assert len(m.backend.requests) == 2


def test_instruction_is_tried_no_third_time():
    m = chat_session("much too long", "again too long", "ok")

    with pytest.warns(RequirementsNotMetWarning, match="Short"):
        output = m.instruct("Say something.", requirements=[SHORT])

    assert output.value == "again too long"
    assert len(m.backend.requests) == 2


def test_answer_that_does_not_fit_the_format_is_tried_a_second_time():
    m = chat_session("no JSON", '{"name": "Ada"}')

    assert m.instruct("Who?", format=User).parsed == User(name="Ada")


def test_requirements_without_a_strategy_are_shown_and_not_checked():
    m = chat_session("much too long")

    output = m.instruct("Say something.", requirements=[SHORT], strategy=None)

    assert output.value == "much too long"
    assert "- Short." in m.last_prompt()[0]["content"]


def test_every_attempt_is_returned_when_asked_for():
    m = chat_session("much too long", "ok")

    result = m.instruct("Say something.", requirements=[SHORT], return_sampling_results=True)

    assert isinstance(result, SamplingResult)
    assert [str(output) for output in result.sample_generations] == ["much too long", "ok"]
    assert result.success


def test_every_attempt_is_returned_when_there_is_nothing_to_check():
    result = chat_session("x").instruct("Say something.", return_sampling_results=True)

    assert (result.value, result.success, len(result.attempts)) == ("x", True, 1)


def test_strategy_by_name_is_found_among_the_plugins_of_the_session():
    m = chat_session("much too long", "ok", plugins=[named_strategies])

    result = m.instruct(
        "Say something.", requirements=[SHORT], strategy="repair-template", return_sampling_results=True
    )

    assert result.success
    assert "13 characters" in m.backend.requests[1].messages[-1].content


def test_unknown_name_of_a_strategy_is_our_error_before_a_request():
    m = chat_session("x")

    with pytest.raises(UnknownPluginError, match="rejektion"):
        m.instruct("Say something.", requirements=[SHORT], strategy="rejektion")

    assert m.backend.requests == []


def test_act_takes_requirements_with_a_strategy():
    m = chat_session("much too long", "ok")

    output = m.act(CBlock("hi"), requirements=[SHORT], strategy=RejectionSamplingStrategy(loop_budget=2))

    assert output.value == "ok"


@pytest.mark.parametrize(
    "asked", [{"requirements": ["r"]}, {"strict": True}, {"return_sampling_results": True}]
)
def test_act_refuses_without_a_strategy_what_needs_one(asked):
    m = chat_session("x")

    with pytest.raises(UsageError, match="needs a strategy"):
        m.act("hi", **asked)

    assert m.backend.requests == []


@pytest.mark.parametrize("wrong", ["one text", SHORT, [7], [SHORT, object()]])
def test_requirements_that_are_none_are_our_error_before_a_request(wrong):
    m = chat_session("x")

    with pytest.raises(UsageError):
        m.instruct("Say something.", requirements=wrong)
    with pytest.raises(UsageError):
        m.act("hi", requirements=wrong, strategy=RejectionSamplingStrategy())
    with pytest.raises(UsageError):
        m.transform("hi", "Change it.", requirements=wrong)

    assert m.backend.requests == []


def test_format_that_is_no_schema_is_our_error_before_a_request():
    m = chat_session("x")

    with pytest.raises(UsageError):
        m.instruct("Say something.", format=7)

    assert m.backend.requests == []


def test_options_of_session_and_call_reach_every_attempt():
    m = MelleaSession(ScriptedBackend("too long for it"), model_options={ModelOption.TEMPERATURE: 0.5})

    with pytest.warns(RequirementsNotMetWarning):
        m.instruct("Say something.", requirements=[SHORT], model_options={ModelOption.MAX_NEW_TOKENS: 3})

    assert [request.options for request in m.backend.requests] == [
        {"temperature": 0.5, "max_new_tokens": 3}
    ] * 2


def test_synchronous_faces_do_the_same_in_a_running_loop():
    async def main():
        m = chat_session("much too long", "ok")
        output = m.instruct("Say something.", requirements=[SHORT])
        return output.value, m.validate(SHORT)[0].result

    assert asyncio.run(main()) == ("ok", True)


def test_verbs_nest_in_validators():
    m = chat_session("answer", "yes")
    inner = check("The model agrees.", lambda ctx: m.clone().instruct("Is it right?").value == "yes")

    assert m.instruct("Say something.", requirements=[inner], return_sampling_results=True).success


# Strictness


def test_strict_call_raises_and_leaves_the_context():
    m = chat_session("much too long", "again too long")

    with pytest.raises(RequirementsNotMetError, match="14 characters") as caught:
        m.instruct("Say something.", requirements=[SHORT], strict=True)

    assert len(caught.value.result.attempts) == 2
    assert m.ctx.as_list() == []


def test_strict_session_raises():
    with (
        start_session(ScriptedBackend("much too long"), strict=True) as m,
        pytest.raises(RequirementsNotMetError, match="13 characters"),
    ):
        m.instruct("Say something.", requirements=[SHORT])


def test_call_overrides_a_strict_session():
    m = chat_session("much too long", "again too long", strict=True)

    with pytest.warns(RequirementsNotMetWarning):
        assert m.instruct("Say something.", requirements=[SHORT], strict=False).value == "again too long"


def test_strict_session_asks_nothing_of_calls_without_requirements():
    m = chat_session("a", "b", "c", strict=True)

    m.instruct("Say something.")
    m.act("hi")
    m.chat("hi")

    assert said(m) == ["a", "b", "c"]


def test_clone_is_as_strict_as_its_session():
    with pytest.raises(RequirementsNotMetError):
        chat_session("much too long", "again too long", strict=True).clone().instruct(
            "Say.", requirements=[SHORT]
        )


# What is remembered


def test_rejected_attempts_are_not_remembered():
    m = chat_session("much too long", "ok", "fine")

    m.instruct("Say something.", requirements=[SHORT])
    m.chat("And now?")

    assert said(m) == ["ok", "fine"]
    assert [message.role for message in m.backend.requests[2].messages] == ["user", "assistant", "user"]


def test_best_failed_attempt_is_remembered():
    m = chat_session("ABCDEFGH", "abcdefgh")
    lower = req("Lower case.", simple_validate(str.islower))

    with pytest.warns(RequirementsNotMetWarning):
        output = m.instruct("Say something.", requirements=[SHORT, lower])

    assert output.value == "abcdefgh"
    assert said(m) == ["abcdefgh"]


def test_repaired_attempt_is_remembered_with_what_was_asked_for_it():
    m = chat_session("much too long", "ok")

    m.instruct("Say something.", requirements=[SHORT], strategy=RepairTemplateStrategy(loop_budget=2))

    assert len(m.ctx.as_list()) == 2
    assert said(m) == ["ok"]


def test_multi_turn_repair_is_remembered_as_a_conversation():
    m = chat_session("much too long", "ok")

    m.instruct("Say something.", requirements=[SHORT], strategy=MultiTurnStrategy(loop_budget=2))

    assert said(m) == ["much too long", "ok"]
    assert len(m.ctx.as_list()) == 4


def test_text_that_a_requirement_mended_is_remembered():
    m = chat_session("HELLO")
    lower = req("Lower case.", simple_validate(str.islower), repair=str.lower)

    assert m.instruct("Greet.", requirements=[lower]).value == "hello"
    assert said(m) == ["hello"]


def test_last_prompt_is_that_of_the_chosen_attempt():
    m = chat_session("much too long", "ok")

    m.instruct("Say something.", requirements=[SHORT], strategy=RepairTemplateStrategy(loop_budget=2))

    assert "13 characters" in m.last_prompt()[-1]["content"]


def test_provider_error_leaves_the_context():
    m = MelleaSession(ScriptedBackend(["fine", RateLimitError("slow down")]), ChatContext())
    m.instruct("Say something.", requirements=[SHORT])

    with pytest.raises(RateLimitError):
        m.instruct("Say something else.", requirements=[SHORT])

    assert said(m) == ["fine"]


def test_spent_budget_keeps_the_best_attempt():
    m = chat_session("much too long", "never asked for")
    strategy = RejectionSamplingStrategy(loop_budget=5, budget=Budget(attempts=1))

    result = m.instruct("Say.", requirements=[SHORT], strategy=strategy, return_sampling_results=True)

    assert "the budget of 1 attempts is spent" in result.why
    assert said(m) == ["much too long"]


# Overlapping and closing


async def test_overlapping_sampled_turns_lose_nothing():
    m = MelleaSession(BarrierBackend(8), ChatContext())

    await asyncio.gather(
        *(
            m.ainstruct(f"Task {number}.", requirements=[check("any", lambda ctx: True)])
            for number in range(8)
        )
    )

    assert len(m.ctx.as_list()) == 16
    assert {str(span.description) for span in m.ctx.as_list()[::2]} == {
        f"Task {number}." for number in range(8)
    }


async def test_overlapping_generative_functions_lose_nothing():
    m = MelleaSession(Together(8), ChatContext())

    await asyncio.gather(*(greeting(m, name=str(number)) for number in range(8)))

    assert len(m.ctx.as_list()) == 16


async def test_failed_turn_among_overlapping_ones_is_left_out():
    m = chat_session("ok", "much too long", "fine", "again too long")

    outcomes = await asyncio.gather(
        *(m.ainstruct(f"Task {number}.", requirements=[SHORT], strict=True) for number in range(3)),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes].count(RequirementsNotMetError) == 1
    assert sorted(said(m)) == ["fine", "ok"]


async def test_closing_ends_a_sampled_turn_with_our_error():
    backend = GatedBackend("first")
    m = MelleaSession(backend, ChatContext())
    running = asyncio.create_task(m.ainstruct("Say something.", requirements=[SHORT]))
    await backend.reached.passed()

    await m.aclose()

    with pytest.raises(GenerationCancelledError, match="closed"):
        await running
    assert backend.stopped.is_open()
    assert m.ctx.as_list() == []


async def test_cancelling_the_caller_stops_the_work_and_leaves_the_context():
    backend = GatedBackend("first")
    m = MelleaSession(backend, ChatContext())
    running = asyncio.create_task(m.ainstruct("Say something.", requirements=[SHORT]))
    await backend.reached.passed()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert backend.stopped.is_open()
    assert m.ctx.as_list() == []


def test_closed_session_refuses_sampling_and_validating():
    m = chat_session("x")
    m.close()

    with pytest.raises(ClosedError):
        m.instruct("Say something.", requirements=[SHORT])
    with pytest.raises(ClosedError):
        m.validate(SHORT, output="x")


# Validating


def test_validate_checks_the_last_output():
    m = chat_session("much too long")
    m.instruct("Say something.")

    (result,) = m.validate(SHORT)

    assert (result.result, result.reason) == (False, "13 characters")


def test_validate_gives_results_in_the_order_of_the_requirements():
    m = chat_session("ok", "no, it is not")
    m.instruct("Say something.")

    results = m.validate(["A model judges this.", SHORT, NEVER])

    assert [result.result for result in results] == [False, True, False]


def test_validate_takes_one_text_for_one_requirement():
    m = chat_session("ok", "Yes, it is.")
    m.instruct("Say something.")

    assert [result.result for result in m.validate("Is it short?")] == [True]
    assert "Is it short?" in m.backend.requests[1].messages[-1].content


def test_validate_takes_another_output():
    assert chat_session().validate([SHORT], output="much too long")[0].reason == "13 characters"


def test_validate_shows_the_judge_what_the_output_answers():
    m = chat_session("Yes.")

    m.validate("Is it right?", output=ModelOutputThunk("four"), input="What is two and two?")

    shown = m.backend.requests[0].messages[-1].content
    assert "What is two and two?" in shown
    assert "four" in shown


def test_validate_remembers_nothing():
    m = chat_session("ok", "Yes.")
    m.instruct("Say something.")
    before, prompt = m.ctx, m.last_prompt()

    m.validate(["Is it right?"], output="other", input="asked")

    assert m.ctx is before
    assert m.last_prompt() == prompt


@pytest.mark.parametrize("wrong", [7, [7], [SHORT, object()]])
def test_validating_what_is_no_requirement_is_our_error(wrong):
    with pytest.raises(UsageError, match="is no requirement"):
        chat_session().validate(wrong, output="x")


def test_validate_without_an_output_is_our_error():
    with pytest.raises(UsageError, match="no output"):
        chat_session("x").validate("Is it right?")


def test_judge_of_a_requirement_is_asked_instead_of_the_session():
    judge = ScriptedBackend(
        [json.dumps({"reason": "Good.", "met": True})], capabilities=[Capability.JSON_SCHEMA]
    )
    m = chat_session("ok")

    result = m.instruct(
        "Say something.", requirements=[req("Be good.", judge=judge)], return_sampling_results=True
    )

    assert result.success
    assert (len(m.backend.requests), len(judge.requests)) == (1, 1)


# Objects


def test_query_takes_requirements_and_is_remembered():
    m = chat_session("much too long", "ok")

    answer = m.query(
        "The sky is blue.",
        "What colour?",
        requirements=[SHORT],
        strategy=RejectionSamplingStrategy(loop_budget=2),
    )

    assert answer.value == "ok"
    assert said(m) == ["ok"]


def test_transform_is_remembered():
    m = chat_session("THE SKY")

    m.transform("the sky", "Upper case.")

    assert said(m) == ["THE SKY"]


# The caller's own things


def test_lists_and_mappings_of_the_caller_are_left_alone():
    """What is rendered from the caller's lists is never written back into them."""
    m = chat_session("x", "x")
    given = {
        "requirements": ["Be {{how}}.", SHORT],
        "icl_examples": ["{{how}}"],
        "grounding_context": {"fact": "It is {{how}}."},
        "user_variables": {"how": "kind"},
        "model_options": {ModelOption.MAX_NEW_TOKENS: 5},
    }
    copies = {name: value.copy() for name, value in given.items()}

    strategy = RejectionSamplingStrategy(requirements=[NEVER])
    with pytest.warns(RequirementsNotMetWarning):
        m.instruct("Say {{how}} words.", strategy=strategy, **given)

    assert given == copies
    assert SHORT.description == "Short."


def test_strategy_is_left_alone_and_can_be_used_again():
    strategy = RepairTemplateStrategy(loop_budget=2, requirements=[SHORT])
    before = vars(strategy).copy()

    results = [
        chat_session("much too long", "ok").instruct("Say.", strategy=strategy).value for _ in range(2)
    ]

    assert results == ["ok", "ok"]
    assert vars(strategy) == before


def test_variables_are_filled_into_requirements():
    m = chat_session("much too long", "ok")
    wanted = Requirement("Fewer than {{n}} characters.", simple_validate(lambda text: len(text) < 6))

    result = m.instruct(
        "Greet {{name}}.",
        requirements=[wanted],
        user_variables={"n": 6, "name": "Ada"},
        return_sampling_results=True,
    )

    assert result.success
    assert all("Fewer than 6 characters." in request.messages[-1].content for request in m.backend.requests)
    assert wanted.description == "Fewer than {{n}} characters."


def test_value_of_a_variable_is_no_template_in_a_requirement():
    m = chat_session("x")

    m.instruct(
        "Greet.", requirements=[req("Say {{what}}.", lambda ctx: True)], user_variables={"what": "{{secret}}"}
    )

    assert "Say {{secret}}." in m.last_prompt()[0]["content"]


def test_unknown_variable_in_a_requirement_is_our_error_before_a_request():
    m = chat_session("x")

    with pytest.raises(TemplateError, match="how"):
        m.instruct("Greet.", requirements=["Be {{how}}."], user_variables={"name": "Ada"})

    assert m.backend.requests == []


def test_blanks_are_left_where_the_caller_allows_them():
    m = chat_session("x")
    given = defaultdict(str, name="Ada")

    m.instruct(
        "Greet {{name}}{{title}}.",
        requirements=[req("Be {{how}}brief.", lambda ctx: True)],
        user_variables=given,
    )

    assert "Greet Ada." in m.last_prompt()[0]["content"]
    assert "- Be brief." in m.last_prompt()[0]["content"]
    assert dict(given) == {"name": "Ada"}
