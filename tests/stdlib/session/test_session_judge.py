"""A session's judge: it judges what names none, in whatever the session does."""

import asyncio
import copy

import pytest

from mellea import (
    ChatContext,
    MelleaSession,
    RejectionSamplingStrategy,
    generative,
    mfuncs,
    req,
    start_session,
)
from mellea.core import Capability, ScoringJudge, UsageError
from mellea.testing import Reply, ScriptedBackend

ANSWER = Reply("", tool_calls=[("final_answer", {"answer": "Yes."})])


@generative
def tone(text: str) -> str:
    """Name the tone of the text."""


def session(judge, *answers, **settings):
    writer = ScriptedBackend(list(answers) or ["An answer."], **settings)
    return MelleaSession(writer, ChatContext(), judge=judge)


CALLS = {
    "instruct": lambda m: m.instruct("Write.", requirements=["Kind."]),
    "ainstruct": lambda m: asyncio.run(m.ainstruct("Write.", requirements=["Kind."])),
    "act": lambda m: m.act("Write.", requirements=["Kind."], strategy=RejectionSamplingStrategy()),
    "a strategy by name": lambda m: m.instruct("Write.", requirements=["Kind."], strategy="repair"),
    "query": lambda m: m.query("text", "What?", requirements=["Kind."]),
    "validate": lambda m: m.validate("Kind.", output="An answer."),
    "avalidate": lambda m: asyncio.run(m.avalidate("Kind.", output="An answer.")),
    "clone": lambda m: m.clone().validate("Kind.", output="An answer."),
    "copy": lambda m: copy.copy(m).validate("Kind.", output="An answer."),
    "reset": lambda m: (m.reset(), m.validate("Kind.", output="An answer.")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_judge_of_a_session_judges_what_names_none(call):
    strong = ScriptedBackend("yes")
    m = session(strong)

    call(m)

    assert strong.calls == 1
    assert all("Requirement: Kind." not in request.messages[-1].content for request in m.backend.requests)


@pytest.mark.parametrize("given", ["requirements", "precondition_requirements"])
def test_judge_of_a_session_judges_typed_functions(given):
    strong = ScriptedBackend("yes")
    m = session(strong, '{"result": "kind"}')

    assert tone(m, "Please.", **{given: ["Polite."]}) == "kind"
    assert (strong.calls, m.backend.calls) == (1, 1)


def test_judge_of_a_session_judges_the_answer_of_an_agent():
    strong = ScriptedBackend("yes")
    m = session(strong, ANSWER, capabilities={Capability.TOOLS})

    m.react("Go.", requirements=["Polite."])
    run = session(strong, ANSWER, capabilities={Capability.TOOLS}).stream_react(
        "Go.", requirements=["Polite."]
    )
    list(run)

    assert strong.calls == 2


def test_judge_of_a_session_has_a_word():
    m = session("score", "yes")

    [verdict] = m.validate("Kind.", output="An answer.")

    assert (m.judge, verdict.basis, verdict.trust) == (ScoringJudge(), "written", "uncalibrated")
    result = session("score", "Text.", "yes").instruct(
        "Write.", requirements=["Kind."], return_sampling_results=True
    )
    assert result.result_validations[0][1].basis == "written"


def test_judges_of_a_strategy_and_of_a_requirement_go_before():
    strong, stronger, strongest = (ScriptedBackend("yes") for _ in range(3))
    wanted = ["Kind.", req("Short.", judge=strongest)]
    strategy = RejectionSamplingStrategy(judge=stronger)

    session(strong).instruct("Write.", requirements=wanted, strategy=strategy)
    session("score").instruct("Write.", requirements=wanted, strategy=strategy)

    assert [backend.calls for backend in (strong, stronger, strongest)] == [0, 2, 2]


def test_judge_of_a_session_is_not_that_of_another_within_its_call():
    strong, other = ScriptedBackend("yes"), session(None, "yes")
    asks = req("Asks.", lambda ctx: bool(other.validate("Kind.", output="x")[0]))

    session(strong).validate(asks, output="An answer.")

    assert (strong.calls, other.backend.calls) == (0, 1)


def test_functional_verb_has_the_judge_of_no_session():
    backend, strong = ScriptedBackend("yes"), ScriptedBackend("yes")
    with session(strong):
        mfuncs.validate("Kind.", ChatContext(), backend, output="An answer.")

    assert (strong.calls, backend.calls) == (0, 1)


@pytest.mark.parametrize("judge", ["sore", 3])
def test_what_is_no_judge_is_refused_when_the_session_opens(judge):
    with pytest.raises(UsageError):
        session(judge)
    with pytest.raises(UsageError):
        start_session(ScriptedBackend("x"), judge=judge)


def test_session_that_is_started_has_its_judge():
    strong = ScriptedBackend("yes")

    with start_session(ScriptedBackend("x"), judge=strong) as m:
        m.validate("Kind.", output="An answer.")

    assert strong.calls == 1
    assert not strong.closed
