"""A model that reasons and answers nothing: plain calls, strategies, typed functions, judges."""

import pytest

from mellea import generative, start_session
from mellea.core import Capability, ModelOption
from mellea.core.errors import NoAnswerError
from mellea.core.reasoning import NoAnswerWarning
from mellea.core.response import Usage
from mellea.stdlib.context import ChatContext
from mellea.stdlib.requirements import req, simple_validate
from mellea.stdlib.sampling import MultiTurnStrategy, RejectionSamplingStrategy, RepairTemplateStrategy
from mellea.testing import Reply, ScriptedBackend

ALONE = Reply("", thinking="The answer is 4.", finish_reason="length", usage=Usage(20, 8))
IN_TAGS = Reply(["<thi", "nk>The answer", " is 4."], finish_reason="stop")


def session(*script, **kwargs):
    capable = ScriptedBackend.capabilities | {Capability.THINKING, Capability.JSON_SCHEMA}
    return start_session(ScriptedBackend(list(script), capabilities=capable, **kwargs), ctx=ChatContext())


def sent(m):
    return [request.options.get("think") for request in m.backend.requests]


@generative
def total(question: str) -> int:
    """Add."""


@pytest.mark.parametrize("reply", [ALONE, IN_TAGS])
@pytest.mark.parametrize("verb", ["chat", "instruct", "act"])
def test_plain_call_warns_at_its_line(verb, reply):
    m = session(reply)

    with pytest.warns(NoAnswerWarning, match="reasoned and gave no answer") as caught:
        getattr(m, verb)("2+2?")

    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("reply", [ALONE, IN_TAGS])
def test_reasoning_finish_reason_and_usage_are_kept(reply):
    m = session(reply)

    with pytest.warns(NoAnswerWarning), m.stream_chat("2+2?") as answer:
        pieces = list(answer)

    assert (pieces, answer.text, answer.thinking) == ([], "", "The answer is 4.")
    assert answer.generation.usage is not None
    assert answer.generation.finish_reasons


def test_remedy_depends_on_how_it_ended():
    with pytest.warns(NoAnswerWarning, match=r"'length'.*Raise MAX_NEW_TOKENS or CONTEXT_WINDOW"):
        session(ALONE).chat("x")
    with pytest.warns(NoAnswerWarning, match=r"'stop'.*Ask without reasoning: ModelOption.THINKING: False"):
        session(IN_TAGS).chat("x")


def test_answer_with_reasoning_is_an_answer():
    m = session(Reply("4", thinking="2+2"), Reply("<think>2+2</think>\n4"))

    assert [str(m.chat("x")), str(m.chat("x"))] == ["4", "4"]


def test_empty_answer_without_reasoning_is_an_answer():
    assert session("").chat("x").content == ""


@pytest.mark.parametrize("strategy", [RejectionSamplingStrategy, RepairTemplateStrategy, MultiTurnStrategy])
def test_attempt_after_it_goes_without_reasoning(strategy):
    m = session(ALONE, "4")

    result = m.instruct("2+2?", requirements=[req("r", simple_validate(lambda text: True))],
                        strategy=strategy(loop_budget=2), return_sampling_results=True)  # fmt: skip

    assert sent(m) == [None, False]
    assert result.value == "4"
    assert "reasoned and gave no answer" in result.attempts[0].error


@pytest.mark.parametrize("thinking", [True, False, "high"])
@pytest.mark.parametrize("place", ["call", "backend"])
def test_reasoning_that_was_asked_for_is_not_switched_off(thinking, place):
    options = {ModelOption.THINKING: thinking}
    m = session(ALONE, "4", model_options=options if place == "backend" else {})

    m.act("2+2?", strategy=RejectionSamplingStrategy(loop_budget=2),
          model_options=options if place == "call" else {})  # fmt: skip

    assert sent(m) == [thinking, thinking]


def test_backend_that_cannot_reason_is_asked_as_before():
    m = start_session(ScriptedBackend([ALONE, "4"], capabilities=[Capability.STREAMING]))

    m.act("2+2?", strategy=RejectionSamplingStrategy(loop_budget=2))

    assert sent(m) == [None, None]


def test_typed_function_asks_again_without_reasoning():
    m = session(ALONE, '{"result": 4}')

    assert total(m, question="2+2") == 4
    assert sent(m) == [None, False]


def test_typed_function_that_gets_reasoning_alone_says_so():
    m = session(ALONE, ALONE)

    with pytest.raises(NoAnswerError, match=r"total got no answer.*reasoned.*'length'.*MAX_NEW_TOKENS"):
        total(m, question="2+2")


def test_parsed_value_of_reasoning_alone_is_an_error_in_words():
    output = session(ALONE).instruct("x", strategy=None, format={"type": "integer"})

    with pytest.raises(NoAnswerError, match="reasoned and gave no answer"):
        output.parsed  # noqa: B018  reading it parses


# Judges


def test_judge_that_only_reasoned_is_asked_again_without():
    m = session("A mail.", ALONE, '{"reason": "It is.", "met": true}')

    m.chat("Write a mail.")
    verdict = m.validate("It is a mail.")[0]

    assert verdict
    assert not verdict.undecided
    assert sent(m) == [None, None, False]
    assert verdict.usage.prompt_tokens > 20


def test_no_verdict_is_told_apart_from_a_verdict_of_no():
    m = session("A mail.", ALONE, ALONE, '{"reason": "It is none.", "met": false}')

    m.chat("Write a mail.")
    none, no = m.validate("It is a mail.")[0], m.validate("It is a mail.")[0]

    assert (bool(none), none.undecided) == (False, True)
    assert "gave no verdict" in none.reason
    assert (bool(no), no.undecided) == (False, False)


def test_judge_in_words_that_only_reasoned_gives_no_verdict():
    capable = {Capability.STREAMING, Capability.THINKING}
    m = start_session(ScriptedBackend(["A mail.", ALONE, ALONE], capabilities=capable), ctx=ChatContext())

    m.chat("Write a mail.")

    assert m.validate("It is a mail.")[0].undecided


def test_judge_whose_answer_cannot_be_read_gives_no_verdict():
    m = session("A mail.", "perhaps")

    m.chat("Write a mail.")

    assert m.validate("It is a mail.")[0].undecided
