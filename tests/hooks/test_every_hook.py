"""Every hook point is fired by a real call, and the reference says what is so."""

import importlib.util
from pathlib import Path

import pytest

from mellea import ChatContext, Intrinsic, MelleaSession, start_session
from mellea.core import Adapter, Capability, ServerError
from mellea.core.hook_payloads import PAYLOADS
from mellea.plugins import plugin_scope
from mellea.stdlib import stream
from mellea.stdlib.requirements import check, simple_validate
from mellea.testing import Reply, ScriptedBackend
from tests.adapted import Adapted
from tests.hooks.heard import Heard

DOCS = Path(__file__).parents[2] / "docs"
SHORT = [check("It is short.", validation_fn=simple_validate(lambda text: len(text) < 5))]
CAN = {Capability.TOOLS, Capability.STREAMING, Capability.RAW}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def opening():
    start_session(ScriptedBackend("x")).close()


async def resetting():
    MelleaSession(ScriptedBackend("x")).reset()


async def repairing():
    await MelleaSession(ScriptedBackend(["too long", "ok"])).ainstruct("Hi", requirements=SHORT)


async def failing():
    with pytest.raises(ServerError):
        await MelleaSession(ScriptedBackend(ServerError("down"))).achat("Hi")


async def batch():
    await ScriptedBackend("x").generate_from_raw(["a"])


async def failing_batch():
    with pytest.raises(ServerError):
        await ScriptedBackend(ServerError("down")).generate_from_raw(["a"])


async def tools():
    script = [Reply(tool_calls=[("add", {"a": 1, "b": 2})]), "3"]
    await MelleaSession(ScriptedBackend(script, capabilities=CAN)).ainstruct("Hi", tools=[add])


async def streaming():
    await (await stream("Hi", ScriptedBackend("x"), ChatContext())).acomplete()


async def adapter():
    backend = Adapted("x")
    await backend.aadd_adapter(Adapter("tone"))
    await MelleaSession(backend).aact(Intrinsic("tone"), strategy=None, await_result=True)


FIRED_BY = {
    "session_pre_init": opening,
    "session_post_init": opening,
    "session_reset": resetting,
    "session_cleanup": opening,
    "component_pre_execute": repairing,
    "component_post_success": repairing,
    "component_post_error": failing,
    "generation_pre_call": repairing,
    "generation_post_call": repairing,
    "generation_error": failing,
    "generation_batch_pre_call": batch,
    "generation_batch_post_call": batch,
    "generation_batch_error": failing_batch,
    "generation_event": repairing,
    "validation_pre_check": repairing,
    "validation_post_check": repairing,
    "sampling_loop_start": repairing,
    "sampling_iteration": repairing,
    "sampling_repair": repairing,
    "sampling_loop_end": repairing,
    "tool_pre_invoke": tools,
    "tool_post_invoke": tools,
    "adapter_function_invocation_complete": adapter,
    "adapter_function_phase_complete": adapter,
    "streaming_start": streaming,
    "streaming_event": streaming,
    "streaming_end": streaming,
}


def test_every_hook_point_is_tried():
    assert set(PAYLOADS) == set(FIRED_BY)


@pytest.mark.parametrize("name", FIRED_BY)
async def test_hook_point_is_fired_by_a_real_call(name):
    heard = Heard()
    with plugin_scope(heard(name)):
        await FIRED_BY[name]()
    assert heard
    assert {type(payload) for payload in heard} == {PAYLOADS[name]}


def test_reference_is_made_from_the_specifications():
    spec = importlib.util.spec_from_file_location("hook_reference", DOCS / "hook_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (DOCS / "hook-reference.md").read_text("utf-8")
    assert page == module.reference(), "Run python docs/hook_reference.py"
