"""Who hears of a call: the process, its session, the blocks around it, and nobody else."""

import asyncio
import threading

import pytest

from mellea import MelleaSession, mfuncs, start_session
from mellea.core import UsageError
from mellea.plugins import Plugin, PluginSet, hook, plugin_scope, register, unregister
from mellea.plugins.manager import has_plugins, shutdown_plugins
from mellea.stdlib.context import ChatContext
from mellea.testing import ScriptedBackend
from tests.hooks.heard import Heard

CALL = "generation_pre_call"


def session(*plugins, **settings):
    return MelleaSession(ScriptedBackend("x", **settings), ChatContext(), plugins=plugins)


def test_session_hears_of_its_own_calls_only():
    heard = Heard()
    a, b = session(heard(CALL)), session()
    b.chat("Hi")
    a.chat("Hi")
    assert [payload.session_id for payload in heard] == [a.id]


def test_one_handler_serves_many_sessions_and_the_process_and_is_called_once_a_call():
    heard = Heard()
    listen = heard(CALL)
    a, b = session(listen), session(listen)
    register(listen)
    register([listen])
    with plugin_scope(listen):
        a.chat("Hi")
        b.chat("Hi")
    session().chat("Hi")
    unregister(listen)
    session().chat("Hi")
    assert [payload.session_id for payload in heard][:2] == [a.id, b.id]
    assert len(heard) == 3


async def test_sessions_at_the_same_time_hear_of_their_own():
    one, two = Heard(), Heard()
    a, b = session(one(CALL, "generation_post_call")), session(two(CALL, "generation_post_call"))
    outputs = [await m.aact(f"{index}") for index in range(5) for m in (a, b)]
    await asyncio.gather(*(output.avalue() for output in outputs))
    assert {payload.session_id for payload in one} == {a.id}
    assert {payload.session_id for payload in two} == {b.id}
    assert len(one) == len(two) == 10


def test_block_hears_of_every_call_in_it_and_of_no_other():
    heard = Heard()
    m = session()
    with plugin_scope(heard(CALL)):
        m.chat("in")
        mfuncs.chat("in", ChatContext(), m.backend)
    m.chat("out")
    assert len(heard) == 2


async def test_block_hears_the_end_of_what_began_in_it():
    heard = Heard()
    m = session()
    async with plugin_scope([heard(CALL, "generation_post_call")]):
        output = await m.aact("Hi")
    await output.avalue()
    assert heard.names == [CALL, "generation_post_call"]


def test_block_in_one_thread_hears_nothing_of_another():
    heard = Heard()
    m = session()
    with plugin_scope(heard(CALL)):
        thread = threading.Thread(target=m.chat, args=["Hi"])
        thread.start()
        thread.join()
    assert not heard


def test_functional_verb_belongs_to_the_session_whose_block_it_runs_in():
    one, two = Heard(), Heard()
    with session(one(CALL)) as a:
        mfuncs.chat("Hi", ChatContext(), a.backend)
        with session(two(CALL)) as b:
            mfuncs.chat("Hi", ChatContext(), b.backend)
            a.chat("Hi")
        mfuncs.chat("Hi", ChatContext(), a.backend)
    mfuncs.chat("Hi", ChatContext(), a.backend)
    assert (len(one), len(two)) == (3, 1)


def test_handler_of_a_session_by_its_id():
    heard = Heard()
    listen = heard(CALL)
    a, b = session(), session()
    register(listen, session_id=a.id)
    register(listen, session_id="later")
    later = MelleaSession(ScriptedBackend("x"), session_id="later")
    for m in (a, b, later):
        m.act("Hi")
    assert [payload.session_id for payload in heard] == [a.id, "later"]
    unregister(listen)
    a.act("Hi")
    assert len(heard) == 2


def test_handler_that_asks_a_model_is_not_called_for_that():
    judge = session()
    calls = []

    @hook(CALL)
    def ask(payload, ctx):
        calls.append(payload)
        judge.chat("May it?")

    with plugin_scope(ask):
        assert session().chat("Hi").content == "x"
    assert len(calls) == 1
    assert judge.backend.calls == 1


class Life(Plugin, name="life", priority=7):
    def __init__(self):
        self.told = []

    async def initialize(self):
        self.told.append("begin")

    async def shutdown(self):
        self.told.append("end")

    @hook(CALL)
    def listen(self, payload, ctx):
        self.told.append(payload.session_id)


def test_plugin_begins_with_its_first_use_and_ends_with_its_last():
    life = Life()
    with start_session(ScriptedBackend("x"), plugins=[life]) as m, life:
        m.chat("Hi")
        with plugin_scope(life):
            pass
        assert life.told == ["begin", m.id]
    assert life.told == ["begin", m.id, "end"]


@pytest.mark.parametrize("make", [Life, lambda: PluginSet("s", [Life()]), lambda: plugin_scope(Life())])
def test_block_is_not_entered_twice(make):
    scope = make()
    with scope:
        with pytest.raises(RuntimeError), scope:
            pass
        assert has_plugins(CALL)
    with scope:
        pass
    assert not has_plugins()


async def test_everything_can_be_taken_off():
    heard = Heard()
    register([heard(CALL), Life()])
    await shutdown_plugins()
    assert not has_plugins(CALL)


@pytest.mark.parametrize("item", [len, Life, "x" * 3, object()])
def test_what_listens_to_nothing_is_refused(item):
    with pytest.raises((UsageError, TypeError)):
        register(item)
