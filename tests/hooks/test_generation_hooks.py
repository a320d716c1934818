"""Generations: each begins once and ends once, and can be changed and stopped."""

import asyncio
import copy
import pickle

import pytest

from mellea import MelleaSession, ModelOption
from mellea.core import (
    Backend,
    Capability,
    GenerationCancelledError,
    HookFailedError,
    ModelOutputThunk,
    PluginViolationError,
    ServerError,
)
from mellea.plugins import PluginMode, block, hook, modify, plugin_scope
from mellea.stdlib.context import ChatContext
from mellea.stdlib.sampling import BestOfNSamplingStrategy
from mellea.testing import Reply, ScriptedBackend
from tests.hooks.heard import Heard, handler

PAIR = ["generation_pre_call", "generation_post_call"]
FAILED = ["generation_pre_call", "generation_error"]
GENERATION = (*FAILED, "generation_post_call")


def session(answers="Yes.", *plugins, **settings):
    return MelleaSession(ScriptedBackend(answers, **settings), ChatContext(), plugins=plugins)


def test_answer_is_shown_before_anybody_has_it():
    heard = Heard()
    m = session("Yes.", heard(*GENERATION))
    m.chat("Is it?")
    before, after = heard
    assert heard.names == PAIR
    assert before.generation_id == after.generation_id
    assert (before.model, before.provider, before.session_id) == ("script", "scripted", m.id)
    assert str(after.model_output) == "Yes."
    assert after.model_output.is_computed()
    assert after.prompt == [{"role": "user", "content": "Is it?"}]
    assert after.request.messages[0].content == "Is it?"
    assert after.backend is m.backend
    assert after.latency_ms > 0


def test_options_format_and_tools_can_be_changed_and_cleared():
    clear = handler("generation_pre_call", lambda payload: modify(payload, model_options=None, model="x"))
    m = session("Yes.", clear)
    m.chat("Hi", model_options={ModelOption.SEED: 3})
    assert m.backend.requests[0].options == {}
    change = handler(
        "generation_pre_call",
        lambda payload: modify(payload, model_options={**payload.model_options, ModelOption.SEED: 4}),
    )
    m = session("Yes.", change)
    m.chat("Hi", model_options={ModelOption.TEMPERATURE: 1})
    assert m.backend.requests[0].options == {"seed": 4, "temperature": 1}


@pytest.mark.parametrize("verb", ["chat", "instruct", "act", "stream_chat", "query"])
def test_blocked_call_is_not_sent_and_raises_from_every_verb(verb):
    heard = Heard()
    guard = handler("generation_pre_call", block("no numbers", code="N1", details={"a": 1}))
    m = session("Yes.", guard, heard(*GENERATION))
    with pytest.raises(PluginViolationError, match="no numbers") as caught:
        str(getattr(m, verb)(*(("a text", "Hi") if verb == "query" else ("Hi",))))
    error = caught.value
    assert (error.hook_type, error.reason, error.code, error.plugin_name) == (
        "generation_pre_call", "no numbers", "N1", "decide",
    )  # fmt: skip
    assert error.details == {"a": 1}
    assert m.backend.calls == 0
    assert heard.names == FAILED
    assert heard[1].exception is error
    assert m.ctx.is_root_node


def test_violation_crosses_a_process_pool_and_is_readable():
    error = PluginViolationError("tool_pre_invoke", "not that file.", "F", "files", details={"a": 1})
    again = pickle.loads(pickle.dumps(error))
    assert again.__dict__ == error.__dict__
    assert str(copy.copy(again)) == (
        "The call was stopped by 'files' at tool_pre_invoke [F]: not that file. "
        "Change what is asked, or attach no such handler."
    )


def test_blocked_answer_reaches_nobody():
    m = session("secret", handler("generation_post_call", lambda p: block(f"{p.model_output} is out")))
    with pytest.raises(PluginViolationError, match="secret is out"):
        m.chat("Hi")
    with pytest.raises(PluginViolationError):
        m.instruct("Hi")
    assert m.ctx.is_root_node


async def test_output_that_is_on_its_way_fails_with_the_violation():
    m = session("secret", handler("generation_post_call", block("out")))
    output = await m.aact("Hi")
    with pytest.raises(PluginViolationError):
        await output.avalue()
    assert isinstance(output.error, PluginViolationError)
    assert m.ctx.is_root_node


@pytest.mark.parametrize("mode", [PluginMode.SEQUENTIAL, PluginMode.TRANSFORM, PluginMode.CONCURRENT])
@pytest.mark.parametrize("hook_point", ["generation_pre_call", "generation_post_call"])
def test_failing_guard_fails_closed_and_is_named(mode, hook_point):
    m = session("Yes.", handler(hook_point, ZeroDivisionError("oops"), mode=mode))
    with pytest.raises(
        HookFailedError, match=f"'decide' of {hook_point} raised ZeroDivisionError: oops"
    ) as e:
        m.chat("Hi")
    assert isinstance(e.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("mode", [PluginMode.AUDIT, PluginMode.FIRE_AND_FORGET])
def test_failing_observer_is_logged_and_does_no_harm(mode, caplog):
    with session("Yes.", handler("generation_pre_call", ZeroDivisionError("oops"), mode=mode)) as m:
        assert m.chat("Hi").content == "Yes."
    assert "'decide' of generation_pre_call raised ZeroDivisionError: oops" in caplog.text


async def test_guard_that_takes_too_long_fails_closed():
    @hook("generation_pre_call", timeout=0.01)
    async def slow(payload, ctx):
        await asyncio.sleep(60)

    with pytest.raises(HookFailedError, match=r"'slow' of generation_pre_call took longer than 0.01 s"):
        await session("Yes.", slow).achat("Hi")


def test_error_of_the_provider_ends_the_generation():
    heard = Heard()
    m = session(ServerError("down"), heard(*GENERATION))
    with pytest.raises(ServerError):
        m.chat("Hi")
    assert heard.names == FAILED
    assert isinstance(heard[1].exception, ServerError)
    assert heard[1].request is not None


def test_option_that_is_refused_ends_the_generation():
    heard = Heard()
    m = session("Yes.", heard(*GENERATION))
    with pytest.raises(Exception, match="TOOLS|tools"):
        m.chat("Hi", tool_calls=True, model_options={ModelOption.TOOLS: [len], ModelOption.STREAM: True})
    assert heard.names == FAILED


@pytest.mark.parametrize("begins", [True, False])
async def test_cancelled_generation_ends(begins):
    heard = Heard()
    m = session("Yes.", heard(*GENERATION), latency=60)
    output = await m.aact("Hi")
    if begins:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await output.cancel_generation()
    await m.aclose()
    assert heard.names == FAILED
    assert isinstance(heard[1].exception, GenerationCancelledError)


async def test_every_chunk_is_told_of_only_where_somebody_listens():
    heard = Heard()
    m = session(Reply(["one", " two"]), heard("generation_event"))
    output = await m.astream_chat("Hi")
    await output.avalue()
    texts = [event.data["text"] for event in heard]
    assert texts[:2] == ["one", " two"]
    assert {event.event_name for event in heard} == {"chunk"}


async def test_batch_of_texts_begins_and_ends_once():
    heard = Heard()
    backend = ScriptedBackend(["a", "b"])
    with plugin_scope(heard()):
        await backend.generate_from_raw(["x", "y"])
    assert heard.names == ["generation_batch_pre_call", "generation_batch_post_call"]
    assert heard[0].num_actions == 2
    assert [str(output) for output in heard[1].model_outputs] == ["a", "b"]
    assert heard[1].request.prompts == ("x", "y")


async def test_blocked_batch_is_not_sent():
    heard = Heard()
    backend = ScriptedBackend(["a", "b"])
    guard = handler("generation_batch_pre_call", block("no"))
    with plugin_scope(guard, heard()), pytest.raises(PluginViolationError):
        await backend.generate_from_raw(["x", "y"])
    assert heard.names == ["generation_batch_pre_call", "generation_batch_error"]
    assert backend.calls == 0


def test_answers_drawn_in_one_request_are_a_generation_each():
    heard = Heard()
    m = session(["a", "b", "c"], heard(*GENERATION), capabilities=[Capability.N_SAMPLES], failures={})
    m.instruct("Hi", strategy=BestOfNSamplingStrategy(n=3), requirements=["It is good."])
    assert m.backend.requests[0].n == 3
    first = [payload for payload in heard if payload.samples == 3]
    assert [payload.hook for payload in first] == ["generation_pre_call"] * 3 + ["generation_post_call"] * 3
    assert [payload.sample_index for payload in first] == [0, 1, 2] * 2
    assert [str(payload.model_output) for payload in first[3:]] == ["a", "b", "c"]


class OfOld(Backend):
    """A backend that generates by itself, as those of the 0.8 line do."""

    async def _generate_from_context(self, action, ctx, *, format=None, model_options, tool_calls=False):
        self.asked = model_options
        output = ModelOutputThunk("old")
        return output, ctx.add(action).add(output)


class Duck:
    """Generates, and is no Backend."""

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None, tool_calls=False):
        self.asked = model_options
        output = ModelOutputThunk("old")
        return output, ctx.add(action).add(output)


class Own(Duck, Backend):
    """A Backend with a public method of its own."""

    async def generate_from_context(self, action, ctx, **asked):
        return await super().generate_from_context(action, ctx, **asked)


@pytest.mark.parametrize("kind", [OfOld, Duck, Own])
def test_backends_of_others_are_told_of_alike(kind):
    heard = Heard()
    change = handler("generation_pre_call", lambda payload: modify(payload, model_options={"x": 1}))
    m = MelleaSession(kind(), plugins=[change, heard(*GENERATION)])
    assert str(m.act("Hi")) == "old"
    assert heard.names == PAIR
    assert m.backend.asked == {"x": 1}
    with plugin_scope(handler("generation_post_call", block("no"))), pytest.raises(PluginViolationError):
        m.act("Hi")


class Wrapper(Backend):
    """Lets another backend generate."""

    def __init__(self, inner):
        super().__init__("w")
        self.inner = inner

    async def _generate_from_context(self, action, ctx, **asked):
        return await self.inner.generate_from_context(action, ctx, **asked)


def test_backend_that_asks_another_one_is_one_generation():
    heard = Heard()
    m = MelleaSession(Wrapper(ScriptedBackend("Yes.")), plugins=[heard(*GENERATION)])
    m.act("Hi")
    m.act("Again")
    assert heard.names == PAIR * 2
    assert heard[1].request.messages[0].content == "Hi"
