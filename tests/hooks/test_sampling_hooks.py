"""Loops of strategies: each begins once and ends once, whatever happens in it."""

import pytest

from mellea import MelleaSession, start_session
from mellea.core import PluginViolationError, ServerError
from mellea.plugins import block, modify
from mellea.stdlib.requirements import check, simple_validate
from mellea.stdlib.sampling import RejectionSamplingStrategy, RepairTemplateStrategy
from mellea.testing import ScriptedBackend
from tests.hooks.heard import Heard, handler

LOOP = ("sampling_loop_start", "sampling_iteration", "sampling_repair", "sampling_loop_end")
SHORT = [check("It is short.", validation_fn=simple_validate(lambda text: len(text) < 5))]


def session(answers, *plugins):
    return MelleaSession(ScriptedBackend(answers), plugins=plugins)


def test_attempts_and_repairs_are_told_of():
    heard = Heard()
    m = session(["too long", "ok"], heard(*LOOP))
    m.instruct("Hi", requirements=SHORT, strategy=RepairTemplateStrategy(loop_budget=3))
    assert heard.names == [
        "sampling_loop_start",
        "sampling_iteration",
        "sampling_repair",
        "sampling_iteration",
        "sampling_loop_end",
    ]
    start, first, repair, second, end = heard
    assert len({payload.sampling_id for payload in heard}) == 1
    assert (start.strategy_name, start.loop_budget, len(start.requirements)) == (
        "RepairTemplateStrategy",
        3,
        1,
    )
    assert (first.iteration, first.all_validations_passed, first.valid_count, first.total_count) == (
        1,
        False,
        0,
        1,
    )
    assert str(first.attempt.output) == str(first.result) == "too long"
    assert repair.failed_result is first.result
    assert repair.repair_iteration == second.iteration == 2
    assert (end.success, end.iterations_used, str(end.final_result)) == (True, 2, "ok")
    assert [str(result) for result in end.all_results] == ["too long", "ok"]


def test_rounds_can_be_changed():
    m = session(["too long", "ok"], handler("sampling_loop_start", lambda p: modify(p, loop_budget=1)))
    with pytest.warns(match="does not meet"):
        assert str(m.instruct("Hi", requirements=SHORT)) == "too long"


def test_failed_loop_says_why():
    heard = Heard()
    m = session(["too long"] * 2, heard(*LOOP))
    with pytest.warns(match="does not meet"):
        m.instruct("Hi", requirements=SHORT)
    assert heard[-1].success is False
    assert "It is short" in heard[-1].failure_reason


@pytest.mark.parametrize("name", LOOP)
def test_loop_that_is_stopped_ends(name):
    heard = Heard()
    m = session(["too long", "ok"], handler(name, block("no")), heard(*LOOP))
    with pytest.raises(PluginViolationError):
        m.instruct("Hi", requirements=SHORT)
    assert heard.names.count("sampling_loop_start") == heard.names.count("sampling_loop_end") == 1
    assert m.ctx.is_root_node


def test_error_of_the_provider_ends_the_loop():
    heard = Heard()
    m = session(ServerError("down"), heard(*LOOP))
    with pytest.raises(ServerError):
        m.instruct("Hi", requirements=SHORT, strategy=RejectionSamplingStrategy())
    assert heard.names == ["sampling_loop_start", "sampling_loop_end"]
    assert isinstance(heard[-1].exception, ServerError)


SESSION = ("session_pre_init", "session_post_init", "session_reset", "session_cleanup")


def test_life_of_a_session_is_told_of():
    heard = Heard()
    m = start_session(ScriptedBackend("x"), plugins=[heard(*SESSION)])
    m.chat("Hi")
    m.reset()
    with pytest.raises(ZeroDivisionError), m:
        raise ZeroDivisionError
    assert heard.names == list(SESSION)
    assert {payload.session_id for payload in heard} == {m.id}
    assert (heard[0].backend_name, heard[0].context_type) == ("ScriptedBackend", "SimpleContext")
    assert len(heard[2].previous_context.as_list()) == 2
    assert heard[3].interaction_count == 1
    assert isinstance(heard[3].exception, ZeroDivisionError)


def test_options_of_a_session_can_be_changed_before_it_opens():
    change = handler("session_pre_init", lambda payload: modify(payload, model_options={"seed": 7}))
    with start_session(ScriptedBackend("x"), plugins=[change]) as m:
        m.chat("Hi")
        assert m.backend.requests[0].options == {"seed": 7}


@pytest.mark.parametrize("name", ["session_pre_init", "session_post_init"])
def test_session_that_is_stopped_does_not_open(name):
    with pytest.raises(PluginViolationError, match="not today"):
        start_session(ScriptedBackend("x"), plugins=[handler(name, block("not today"))])


def test_session_that_is_stopped_while_it_closes_is_closed():
    m = start_session(ScriptedBackend("x"), plugins=[handler("session_cleanup", block("no"))])
    with pytest.raises(PluginViolationError):
        m.close()
    assert m.closed


def test_clone_has_a_life_of_its_own_and_the_same_handlers():
    heard = Heard()
    m = start_session(ScriptedBackend("x"), plugins=[heard(*SESSION, "generation_pre_call")])
    with m, m.clone() as twin:
        twin.chat("Hi")
    told = [(payload.hook, payload.session_id) for payload in heard]
    assert told == [
        ("session_pre_init", m.id),
        ("session_post_init", m.id),
        ("session_post_init", twin.id),
        ("generation_pre_call", twin.id),
        ("session_cleanup", twin.id),
        ("session_cleanup", m.id),
    ]
