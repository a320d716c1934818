"""What handlers are, in which order they are called, and what each mode may do."""

import asyncio
import copy
import pickle
import subprocess
import sys
import time

import pytest

from mellea import MelleaSession, start_session
from mellea.core import HookFailedError, PluginViolationError, UsageError
from mellea.core.hooks import fire
from mellea.plugins import (
    HookType,
    Plugin,
    PluginMode,
    PluginResult,
    PluginSet,
    block,
    hook,
    is_internal_tool,
    modify,
    plugin_scope,
)
from mellea.plugins.hooks.generation import GenerationPreCallPayload
from mellea.plugins.manager import (
    discard_background_tasks,
    drain_background_tasks,
    has_plugins,
    initialize_plugins,
    invoke_hook,
)
from mellea.testing import ScriptedBackend
from tests.hooks.heard import Heard, handler

CALL = "generation_pre_call"
OBSERVERS = [PluginMode.AUDIT, PluginMode.FIRE_AND_FORGET]


async def fired(*items, **fields):
    """Fire one hook with some handlers attached, and return what they change."""
    async with plugin_scope(*items):
        changed = await fire(CALL, **{"model_options": {"a": 1}, **fields})
        await drain_background_tasks()
        return changed


def noting(order, name, result=None, **settings):
    @hook(CALL, **settings)
    async def note(payload, ctx):
        order.append(name)
        return result

    return note


async def test_modes_come_in_order_and_lower_priorities_first():
    order = []
    await fired(
        noting(order, "forgotten", mode=PluginMode.FIRE_AND_FORGET),
        noting(order, "beside", mode=PluginMode.CONCURRENT),
        noting(order, "audit", mode=PluginMode.AUDIT),
        noting(order, "transform", mode=PluginMode.TRANSFORM),
        noting(order, "late", priority=60),
        noting(order, "usual"),
        noting(order, "early", priority=-1),
    )
    assert order == ["early", "usual", "late", "transform", "audit", "beside", "forgotten"]


async def test_changes_go_from_one_handler_to_the_next():
    def more(payload):
        return modify(payload, model_options={**payload.model_options, "n": len(payload.model_options)})

    again = handler(CALL, more, priority=60, mode=PluginMode.TRANSFORM)
    assert await fired(handler(CALL, more), again) == {"model_options": {"a": 1, "n": 2}}
    clear = handler(CALL, lambda payload: modify(payload, format=None, tool_calls=False), priority=70)
    changed = await fired(clear, format=int, tool_calls=True)
    assert changed == {"format": None, "tool_calls": False}


@pytest.mark.parametrize("mode", [*OBSERVERS, PluginMode.CONCURRENT])
async def test_only_modes_that_may_change_a_payload_do(mode):
    assert await fired(handler(CALL, lambda p: modify(p, model_options={}), mode=mode)) == {}


@pytest.mark.parametrize("mode", [*OBSERVERS, PluginMode.TRANSFORM])
async def test_mode_that_may_not_stop_a_call_only_says_that_it_would(mode, caplog):
    assert await fired(handler(CALL, block("no"), mode=mode)) == {}
    assert "would stop the call" in caplog.text


async def test_observers_see_what_a_guard_has_stopped_and_other_guards_do_not():
    order = []
    with pytest.raises(PluginViolationError, match="first"):
        await fired(
            noting(order, "first", block("first"), priority=1),
            noting(order, "second", block("second"), priority=2),
            noting(order, "beside", mode=PluginMode.CONCURRENT),
            noting(order, "audit", mode=PluginMode.AUDIT),
        )
    assert order == ["first", "audit"]


async def test_concurrent_guards_run_side_by_side_and_the_first_in_order_is_raised():
    met = asyncio.Barrier(2)

    def waiting(reason, priority):
        @hook(CALL, mode=PluginMode.CONCURRENT, priority=priority)
        async def wait(payload, ctx):
            await met.wait()
            return block(reason)

        return wait

    with pytest.raises(PluginViolationError, match="early"):
        await fired(waiting("late", 2), waiting("early", 1))


@pytest.mark.parametrize("result", [True, "yes", PluginResult(modified_payload=3)])
async def test_guard_that_returns_nonsense_fails_closed(result):
    with pytest.raises(HookFailedError, match="'decide'"):
        await fired(handler(CALL, result))


async def test_guard_that_was_cancelled_by_itself_fails_closed():
    with pytest.raises(HookFailedError, match="was cancelled"):
        await fired(handler(CALL, asyncio.CancelledError()))


async def test_plain_function_with_a_time_out_runs_in_a_thread():
    @hook(CALL, timeout=0.01)
    def slow(payload, ctx):
        time.sleep(0.3)

    with pytest.raises(HookFailedError, match="took longer"):
        await fired(slow)


async def test_plain_function_may_return_an_awaitable():
    @hook(CALL)
    def later(payload, ctx):
        async def decide():
            return block("no")

        return decide()

    with pytest.raises(PluginViolationError):
        await fired(later)


async def test_handlers_of_one_hook_point_share_a_state():
    seen = []

    @hook(CALL, priority=1)
    def say(payload, ctx):
        ctx.state["said"] = ctx.hook

    @hook(CALL, priority=2)
    def hear(payload, ctx):
        seen.append(ctx.state)

    await fired(say, hear)
    assert seen == [{"said": CALL}]


async def test_closing_a_session_waits_for_what_runs_in_the_background():
    done, release = [], asyncio.Event()

    @hook(CALL, mode=PluginMode.FIRE_AND_FORGET)
    async def slow(payload, ctx):
        await release.wait()
        done.append(payload.session_id)

    async with MelleaSession(ScriptedBackend("x"), plugins=[slow]) as m:
        await m.achat("Hi")
        assert done == []
        asyncio.get_running_loop().call_soon(release.set)
    assert done == [m.id]


def test_closing_a_session_without_a_loop_waits_for_it_too():
    done = []

    @hook(CALL, mode=PluginMode.FIRE_AND_FORGET)
    async def slow(payload, ctx):
        await asyncio.sleep(0.01)
        done.append(payload.session_id)

    with start_session(ScriptedBackend("x"), plugins=[slow]) as m:
        m.chat("Hi")
    assert done == [m.id]


UNCLOSED = """
import asyncio
from mellea import start_session
from mellea.plugins import hook, register
from mellea.testing import ScriptedBackend

for mode in ("fire_and_forget", "audit"):
    @hook("generation_error" if mode == "audit" else "generation_pre_call", mode=mode)
    async def for_ever(payload, ctx):
        await asyncio.sleep(600)
    register(for_ever)

m = start_session(ScriptedBackend("x"))
print(m.chat("Hi"))
"""


def test_nothing_in_the_background_holds_up_the_end_of_a_program():
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "x"
    assert done.stderr == ""


async def test_what_runs_in_the_background_can_be_given_up():
    begun, ended = asyncio.Event(), []

    @hook(CALL, mode=PluginMode.FIRE_AND_FORGET)
    async def slow(payload, ctx):
        begun.set()
        await asyncio.sleep(60)
        ended.append(payload)

    async with plugin_scope(slow):
        await fire(CALL)
        await begun.wait()
        discard_background_tasks()
        await drain_background_tasks()
    assert ended == []


# As programs of the 0.8 line use them


class Both(Plugin, name="both", priority=30):
    @hook(HookType.GENERATION_PRE_CALL)
    async def first(self, payload, ctx):
        return None

    @hook(HookType.GENERATION_POST_CALL, priority=5)
    async def second(self, payload, ctx):
        return None


def test_priority_of_a_method_counts_before_its_class_and_the_outermost_set_before_both():
    both = Both()
    assert [one.priority for one in both.handlers()] == [30, 5]
    assert {one.name for one in both.handlers()} == {"both"}
    inner = PluginSet("inner", [both], priority=9)
    plain = PluginSet("plain", [inner, both])
    assert plain.flatten() == [(both, 9), (both, None)]
    assert [one.priority for one in plain.handlers()] == [9, 9, 30, 5]
    assert PluginSet("outer", [plain], priority=1).flatten() == [(both, 1), (both, 1)]
    assert repr(plain) == "PluginSet('plain', 2 items)"
    assert (plain.name, plain.items, plain.priority) == ("plain", [inner, both], None)


async def test_decorated_function_stays_itself():
    payload = GenerationPreCallPayload(action="Hi", model_options={"a": 1})

    @hook("generation_pre_call")
    async def guard(payload, ctx):
        return modify(payload, model_options={}) if payload.action else block("empty", code="E")

    assert guard.__name__ == "guard"
    result = await guard(payload, None)
    assert result.continue_processing
    assert result.modified_payload.model_options == {}
    assert payload.model_options == {"a": 1}
    stopped = await guard(payload.model_copy(update={"action": None}), None)
    assert not stopped.continue_processing
    said = stopped.violation
    assert (said.reason, said.code, said.description, said.details) == ("empty", "E", "empty", {})


def test_payload_is_frozen_down_to_what_it_holds():
    payload = GenerationPreCallPayload(model_options={"a": 1})
    for change in (
        lambda: setattr(payload, "action", 1),
        lambda: payload.model_options.update(b=2),
        lambda: payload.model_options.__setitem__("b", 2),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    assert isinstance(payload.model_options, dict)
    for twin in (copy.deepcopy(payload.model_options), pickle.loads(pickle.dumps(payload.model_options))):
        twin["b"] = 2
        assert twin == {"a": 1, "b": 2}
    with pytest.raises(UsageError, match="no 'nonsense'"):
        modify(payload, nonsense=1)


def test_enums_are_their_names():
    assert HookType.GENERATION_PRE_CALL == "generation_pre_call"
    assert [mode.value for mode in PluginMode] == [
        "sequential", "transform", "audit", "concurrent", "fire_and_forget",
    ]  # fmt: skip
    assert is_internal_tool("final_answer")
    assert not is_internal_tool("add")


@pytest.mark.parametrize(
    "decorate",
    [
        lambda: hook("nonsense")(print),
        lambda: hook(CALL, mode="nonsense")(print),
        lambda: hook(CALL, timeout=0),
        lambda: hook(CALL)(3),
        lambda: hook(CALL)(Both),
        lambda: initialize_plugins("file.yaml"),
        lambda: MelleaSession(ScriptedBackend(), plugins=[Both]),
    ],
)
def test_mistakes_are_told_where_they_are_made(decorate):
    with pytest.raises(UsageError):
        decorate()


async def test_hook_can_be_invoked_by_a_program():
    heard = Heard()
    payload = GenerationPreCallPayload(model_options={"a": 1})
    async with plugin_scope(heard(CALL), handler(CALL, lambda p: modify(p, model_options={}))):
        assert has_plugins(HookType.GENERATION_PRE_CALL)
        _, changed = await invoke_hook(HookType.GENERATION_PRE_CALL, payload)
    assert changed.model_options == {}
    assert len(heard) == 1
    assert not has_plugins(CALL)
