"""Verbs, checks, tools and streams: each begins once and ends once, and can be changed and stopped."""

import pytest

from mellea import ChatContext, MelleaSession, ModelOption, generative
from mellea.core import (
    Capability,
    GenerationCancelledError,
    ModelToolCall,
    PluginViolationError,
    ServerError,
    ValidationResult,
)
from mellea.plugins import block, modify, plugin_scope
from mellea.stdlib import stream
from mellea.stdlib.requirements import check, simple_validate
from mellea.stdlib.streaming import ChunkEvent, CompletedEvent
from mellea.testing import Reply, ScriptedBackend
from tests.hooks.heard import Heard, handler

VERB = ("component_pre_execute", "component_post_success", "component_post_error")
CHECK = ("validation_pre_check", "validation_post_check")
TOOL = ("tool_pre_invoke", "tool_post_invoke")
STREAM = ("streaming_start", "streaming_event", "streaming_end")
SHORT = [check("It is short.", validation_fn=simple_validate(lambda text: len(text) < 5))]
NEVER = [check("Never.", validation_fn=simple_validate(lambda text: False))]


def session(answers, *plugins, **settings):
    return MelleaSession(ScriptedBackend(answers, **settings), ChatContext(), plugins=plugins)


@generative
def shout(text: str) -> str:
    """Write it in capitals."""


def asked(verb, m):
    """Let a session carry out a verb, to its end."""
    if verb == "typed function":
        return shout(m, text="a")
    if verb == "query":
        return m.query("a text", "Hi")
    if verb == "react":
        return m.react("Hi")
    return str(getattr(m, verb)("Hi"))


SCRIPTS = {
    "typed function": '{"result": "A"}',
    "react": Reply(tool_calls=[("final_answer", {"answer": "A"})]),
}
TOOLS = {Capability.TOOLS, Capability.STREAMING, Capability.JSON_SCHEMA}


@pytest.mark.parametrize(
    "verb", ["act", "instruct", "chat", "query", "stream_chat", "stream_instruct", "typed function", "react"]
)
def test_every_verb_begins_and_ends_once(verb):
    heard = Heard()
    m = session(SCRIPTS.get(verb, "A"), heard(*VERB, "generation_pre_call"), capabilities=TOOLS)
    asked(verb, m)
    begin, end = heard.of("component_pre_execute"), heard.of("component_post_success")
    assert (len(begin), len(end), heard.of("component_post_error")) == (1, 1, [])
    assert end[0].action_id == begin[0].action_id
    assert str(end[0].result) in ("A", '{"result": "A"}')
    assert {payload.request_id for payload in heard} == {begin[0].action_id}
    assert end[0].context_after is not None
    m.close()


@pytest.mark.parametrize("verb", ["act", "instruct", "chat", "stream_chat", "typed function", "react"])
@pytest.mark.parametrize("name", VERB[:2])
def test_every_verb_can_be_stopped(verb, name):
    heard = Heard()
    guard = handler(name, block("no"))
    m = session(SCRIPTS.get(verb, "A"), guard, heard(*VERB), capabilities=TOOLS)
    with pytest.raises(PluginViolationError):
        asked(verb, m)
    assert m.ctx.is_root_node
    assert heard.names == ["component_pre_execute", VERB[2] if name == VERB[0] else VERB[1]]
    m.close()


def test_error_of_a_verb_is_told_of():
    heard = Heard()
    m = session(ServerError("down"), heard(*VERB))
    with pytest.raises(ServerError):
        m.chat("Hi")
    (error,) = heard.of("component_post_error")
    assert error.error_type == "ServerError"
    assert "down" in error.stack_trace


def test_requirements_can_be_cleared_and_added():
    clear = handler(VERB[0], lambda payload: modify(payload, requirements=None))
    assert str(session("ok", clear).instruct("Hi", requirements=NEVER)) == "ok"
    add = handler(VERB[0], lambda payload: modify(payload, requirements=[*payload.requirements, *SHORT]))
    output = session(["too long", "ok"], add).instruct("Hi")
    assert str(output) == "ok"
    assert output.sampling.success


def test_options_format_and_strategy_can_be_changed():
    change = handler(
        VERB[0], lambda p: modify(p, model_options={ModelOption.SEED: 3}, format={"type": "object"}, action=1)
    )
    m = session("{}", change)
    assert m.act("Hi").parsed == {}
    assert m.backend.requests[0].options["seed"] == 3


def test_payload_is_not_changed_in_place():
    def grow(payload):
        payload.model_options["x"] = 1

    with pytest.raises(Exception, match="not changed in place"):
        session("A", handler(VERB[0], grow)).act("Hi")


def test_checks_are_told_of_and_their_verdicts_can_be_changed():
    heard = Heard()
    m = session("too long", heard(*CHECK))
    with pytest.warns(match="does not meet"):
        m.instruct("Hi", requirements=[*SHORT, *NEVER], strategy="rejection")
    begin, end = heard[:2]
    assert begin.validation_id == end.validation_id
    assert (end.passed_count, end.failed_count, end.all_validations_passed) == (0, 2, False)
    assert str(begin.target) == "too long"
    for change in (
        lambda p: modify(p, all_validations_passed=True),
        lambda p: modify(p, results=[ValidationResult(True)]),
    ):
        with plugin_scope(handler(CHECK[1], change)):
            assert m.instruct("Hi", requirements=NEVER).sampling.success


def test_requirements_of_a_check_can_be_changed():
    m = session("too long", handler(CHECK[0], lambda p: modify(p, requirements=[])))
    assert m.instruct("Hi", requirements=NEVER).sampling.success
    assert m.validate(NEVER, output="x") == []


def test_check_that_is_stopped_ends():
    heard = Heard()
    m = session("A", handler(CHECK[0], block("no")), heard(*CHECK))
    with pytest.raises(PluginViolationError):
        m.validate(NEVER, output="x")
    assert heard.names == list(CHECK)
    assert isinstance(heard[1].exception, PluginViolationError)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail() -> int:
    """Fail."""
    raise ZeroDivisionError("oops")


def with_tools(*plugins, call=("add", {"a": 1, "b": 2})):
    answers = [Reply(tool_calls=[call]), "done"]
    return session(answers, *plugins, capabilities=TOOLS)


def test_calls_of_tools_are_told_of():
    heard = Heard()
    m = with_tools(heard(*TOOL))
    m.instruct("Hi", tools=[add])
    begin, end = heard
    assert begin.tool_invocation_id == end.tool_invocation_id
    assert begin.model_tool_call.name == "add"
    assert (end.success, end.tool_output, end.error, end.is_control_flow) == (True, 3, None, False)


def test_failing_tool_is_told_of():
    heard = Heard()
    with_tools(heard(*TOOL), call=("fail", {})).instruct("Hi", tools=[fail])
    assert heard.names == list(TOOL)
    assert heard[1].success is False
    assert isinstance(heard[1].error, ZeroDivisionError)


def test_call_and_result_of_a_tool_can_be_changed():
    def other(payload):
        call = payload.model_tool_call
        return modify(payload, model_tool_call=ModelToolCall("add", call.func, {"a": 5, "b": 5}))

    heard = Heard()
    change = handler(TOOL[1], lambda payload: modify(payload, tool_output=payload.tool_output * 2))
    m = with_tools(handler(TOOL[0], other), change, heard(*TOOL))
    m.instruct("Hi", tools=[add])
    assert "20" in m.backend.prompts[-1]


@pytest.mark.parametrize("name", TOOL)
def test_blocked_call_of_a_tool_stops_the_verb(name):
    heard = Heard()
    m = with_tools(handler(name, block("no adding")), heard(*TOOL))
    with pytest.raises(PluginViolationError, match="no adding"):
        m.instruct("Hi", tools=[add])
    assert heard.names == list(TOOL)
    assert m.backend.calls == 1


async def test_stream_begins_and_ends_once_and_its_events_are_told_of():
    heard = Heard()
    with plugin_scope(heard(*STREAM)):
        streamer = await stream("Hi", ScriptedBackend(Reply(["a", "b"])), ChatContext(), requirements=SHORT)
        await streamer.acomplete()
    assert [heard.names[0], heard.names[-1]] == ["streaming_start", "streaming_end"]
    assert {payload.streaming_id for payload in heard} == {streamer.streaming_id}
    events = [payload.event for payload in heard.of("streaming_event")]
    assert isinstance(events[0], ChunkEvent)
    assert isinstance(events[-1], CompletedEvent)
    end = heard[-1]
    assert (end.success, end.failure_reason, end.full_text_length) == (True, None, 2)
    assert heard[0].requirement_count == 1


@pytest.mark.parametrize("way", ["start", "event", "provider", "leaves", "never read"])
async def test_stream_that_does_not_come_to_its_end_ends_once(way):
    heard = Heard()
    answer = ServerError("down") if way == "provider" else Reply(["a", "b"])
    guards = {"start": [handler(STREAM[0], block("no"))], "event": [handler(STREAM[1], block("no"))]}
    error = {"start": PluginViolationError, "event": PluginViolationError, "provider": ServerError}.get(way)
    with plugin_scope(*guards.get(way, []), heard(*STREAM)):
        if way == "start":
            with pytest.raises(error):
                await stream("Hi", ScriptedBackend(answer), ChatContext())
        else:
            streamer = await stream("Hi", ScriptedBackend(answer), ChatContext())
            if way == "leaves":
                async for _ in streamer.events():
                    break
            elif way != "never read":
                with pytest.raises(error):
                    await streamer.acomplete()
            await streamer.aclose()
    assert heard.names.count("streaming_start") == heard.names.count("streaming_end") == 1
    assert isinstance(heard.of("streaming_end")[0].exception, error or GenerationCancelledError)
    assert heard.of("streaming_end")[0].success is False
