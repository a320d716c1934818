"""Requests are told in the standard log: what they took at INFO, what they say at DEBUG, keys never."""

import asyncio
import logging

import pytest

from mellea import ChatContext, MelleaSession, ModelOption
from mellea.core import Capability, CBlock
from mellea.core.errors import ServerError
from mellea.stdlib.sampling import MajorityVotingStrategy
from mellea.testing import Fault, ScriptedBackend

KEY = "sk-proj-abc123DEF456"


def session(*answers, **options):
    return MelleaSession(ScriptedBackend(list(answers), **options), ChatContext())


def lines(caplog, level=logging.INFO):
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "mellea.requests" and record.levelno >= level
    ]


def test_request_is_one_line_without_its_words(caplog):
    caplog.set_level(logging.INFO, "mellea")
    session("It is blue.").instruct("Why is the sky blue?")

    (line,) = lines(caplog)
    assert line.startswith("scripted (script) answered in 0.")
    assert line.endswith("tokens read and 3 written, stop")
    assert "sky" not in caplog.text
    assert "It is" not in caplog.text


def test_prompts_and_answers_are_told_at_debug_without_keys(caplog):
    caplog.set_level(logging.DEBUG, "mellea")
    m = session(
        f"It is {KEY}.", model_options={ModelOption.SYSTEM_PROMPT: "Be brief.", "api_key": "hunter2hunter2"}
    )
    m.chat(f"Is it {KEY}?")

    told = lines(caplog, logging.DEBUG)
    assert told[:2] == [
        "scripted (script) is asked: system: Be brief.",
        "scripted (script) is asked: user: Is it [hidden]?",
    ]
    assert told[-1] == "scripted (script) says: It is [hidden]."
    assert KEY not in caplog.text
    assert "hunter2" not in caplog.text


def test_failure_is_one_line_without_the_words_of_the_provider(caplog):
    caplog.set_level(logging.INFO, "mellea")
    with pytest.raises(ServerError):
        session(Fault.status(503, "your prompt was: secret plans")).chat("x")

    (line,) = lines(caplog)
    assert line.endswith(": ServerError (503)")


async def test_cancelled_request_is_told(caplog):
    caplog.set_level(logging.INFO, "mellea")
    thunk = await session(Fault.stall()).astream_chat("x")
    await asyncio.sleep(0.05)
    await thunk.cancel_generation()

    assert "was cancelled after" in lines(caplog)[0]


async def test_every_way_to_ask_is_told(caplog):
    caplog.set_level(logging.INFO, "mellea")
    backend = ScriptedBackend("x")
    await backend.generate_from_raw([CBlock("a"), CBlock("b")])
    await MelleaSession(backend).aact("x", strategy=MajorityVotingStrategy(number_of_samples=3))

    assert len(lines(caplog)) == 4
    caplog.clear()
    together = ScriptedBackend("x", capabilities=[Capability.N_SAMPLES])
    await MelleaSession(together).aact("x", strategy=MajorityVotingStrategy(number_of_samples=3))
    assert len(lines(caplog)) == 1


def test_nothing_is_told_unless_somebody_listens(capfd):
    session("It is blue.").instruct("Why?")

    assert capfd.readouterr() == ("", "")
