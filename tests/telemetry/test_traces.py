"""Spans of what a program asks: their tree, what they say, and how they end."""

import asyncio
import json

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from mellea import MelleaSession, ModelOption, SimpleContext, generative, req, simple_validate, start_session
from mellea.composition import fallback
from mellea.core import (
    AuthenticationError,
    Capability,
    ClosedError,
    EmbeddingResponse,
    PluginViolationError,
    Price,
    ProviderConnectionError,
    Usage,
)
from mellea.core.hooks import AROUND
from mellea.plugins import HookType, block, hook, plugin_scope
from mellea.stdlib.sampling import MajorityVotingStrategyForMath
from mellea.stdlib.streaming import stream
from mellea.stdlib.tools import tool
from mellea.telemetry import Costs
from mellea.telemetry import plugin as manifests
from mellea.testing import Reply, ScriptedBackend

KEY = "sk-abcdefghijklmnop1234567890"
GOOD = req("It says good.", validation_fn=simple_validate(lambda text: text == "good"))
TOOLS = [Capability.TOOLS, Capability.STREAMING, Capability.RAW, Capability.SEED]


def session(seen, *answers, backend=None, **options):
    plugins = [seen.telemetry(**options)]
    return MelleaSession(backend or ScriptedBackend(list(answers)), SimpleContext(), plugins=plugins)


async def test_failed_call_ends_its_span_with_the_kind_of_error_and_without_words(seen):
    m = session(seen, AuthenticationError("The key of Ada is wrong."))
    with pytest.raises(AuthenticationError):
        await m.achat("Hello?")
    span = seen.span("chat script")
    assert (span.status.status_code, span.attributes["error.type"]) == (
        StatusCode.ERROR,
        "mellea.core.errors.AuthenticationError",
    )
    assert "Ada" not in span.to_json()
    assert seen.total("mellea.llm.errors", **{"mellea.error.category": "auth"}) == 1


async def test_cancelled_call_ends_its_span(seen):
    m = session(seen, backend=ScriptedBackend("late", latency=60))
    task = asyncio.create_task(m.achat("Hello?"))
    while not m.backend.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await m.aclose()
    span = seen.span("chat script")
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "cancelled")
    assert seen.total("gen_ai.client.operation.duration", **{"error.type": "cancelled"}) > 0


async def test_guard_that_stops_a_call_ends_its_span(seen):
    @hook(HookType.GENERATION_PRE_CALL)
    def no(payload, ctx):
        return block("not today")

    m = MelleaSession(ScriptedBackend("x"), SimpleContext(), plugins=[no, seen.telemetry()])
    with pytest.raises(PluginViolationError):
        await m.achat("Hello?")
    assert seen.span("chat script").status.status_code is StatusCode.ERROR


async def test_span_of_the_program_is_the_parent_in_coroutines(seen):
    m = session(seen, "yes")
    tracer = seen.tracers.get_tracer("app")
    with tracer.start_as_current_span("request"):
        await m.achat("Hello?")
        with tracer.start_as_current_span("query"):
            pass
    ((root, *below),) = seen.tree()
    assert (root, below[-1]) == ("request", "query")
    assert "chat script" in str(below[0])


def test_span_of_the_program_is_the_parent_of_synchronous_verbs(seen):
    m = session(seen, "yes")
    with seen.tracers.get_tracer("app").start_as_current_span("request"):
        m.chat("Hello?")
    ((root, *_),) = seen.tree()
    assert root == "request"
    assert len({span.context.trace_id for span in seen.spans}) == 1


async def test_program_s_span_is_current_again_after_a_failure(seen):
    m = session(seen, AuthenticationError("no"))
    tracer = seen.tracers.get_tracer("app")
    with pytest.raises(AuthenticationError):
        await m.achat("Hello?")
    with tracer.start_as_current_span("after"):
        pass
    assert seen.span("after").parent is None


async def test_sessions_side_by_side_keep_their_spans_apart(seen):
    telemetry = seen.telemetry()
    first, second = (
        MelleaSession(ScriptedBackend(["a", "b"], latency=0.001), SimpleContext(), plugins=[telemetry])
        for _ in range(2)
    )
    await asyncio.gather(*(m.achat("Hello?") for m in (first, second, first, second)))
    chats = [span for span in seen.spans if span.name == "chat script"]
    named = [span.attributes["gen_ai.conversation.id"] for span in chats]
    assert sorted(named) == sorted([first.id, second.id] * 2)
    assert len({span.context.trace_id for span in chats}) == 4


def test_request_says_what_it_asks_for(seen):
    backend = ScriptedBackend("x", model_options={ModelOption.SEED: 3})
    backend.base_url = "http://127.0.0.1:8000/v1"
    m = session(seen, backend=backend)
    options = {ModelOption.TEMPERATURE: 0.5, ModelOption.MAX_NEW_TOKENS: 9, ModelOption.STOP_SEQUENCES: ["."]}
    m.chat("Hello?", model_options=options)
    span = seen.span("chat script")
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "script",
        "gen_ai.conversation.id": m.id,
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "gen_ai.request.seed": 3,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": (".",),
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 1,
        "mellea.cost.usd": 0.0,
    }


def test_cost_is_left_out_where_nobody_knows_it(seen):
    backend = ScriptedBackend("x")
    backend.price = None
    session(seen, backend=backend).chat("Hello?")
    assert "mellea.cost.usd" not in seen.span("chat script").attributes
    assert "mellea.llm.cost.usd" not in seen.metrics()


def test_cached_and_reasoning_tokens_are_told(seen):
    session(seen, Reply("x", usage=Usage(10, 5, 4, 2))).chat("Hello?")
    told = seen.span("chat script").attributes
    assert told["gen_ai.usage.cache_read.input_tokens"] == 4
    assert told["gen_ai.usage.reasoning.output_tokens"] == 2
    assert seen.total("gen_ai.client.inference.usage.cache_read.input_tokens") == 4


def test_answer_of_a_composition_names_who_answered(seen):
    class Hosted(ScriptedBackend):
        provider = "openai"
        price = Price(0, 1)

    both = fallback(ScriptedBackend(ProviderConnectionError("down")), Hosted(Reply("x", usage=Usage(0, 10))))
    session(seen, backend=both).chat("Hello?")
    (span,) = [span for span in seen.spans if span.kind is SpanKind.CLIENT]
    assert span.attributes["gen_ai.provider.name"] == "openai"
    assert seen.total("mellea.llm.cost.usd", **{"gen_ai.provider.name": "openai"}) == pytest.approx(1e-5)


def test_content_stays_out_unless_it_is_asked_for(seen):
    session(seen, "A secret answer.").chat("A secret question?")
    assert "secret" not in "".join(span.to_json() for span in seen.spans)


def test_content_is_written_as_the_conventions_say(seen):
    session(seen, Reply("An answer.", thinking="Hm."), content=True).chat(
        "A question? My key is sk-abcdefghijklmnop1234567890"
    )
    told = seen.span("chat script").attributes
    assert json.loads(told["gen_ai.input.messages"])[0]["role"] == "user"
    assert KEY not in told["gen_ai.input.messages"]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "text", "content": "An answer."},
            ],
            "finish_reason": "stop",
        }
    ]


def test_environment_switches_content_on(seen, monkeypatch):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    assert seen.telemetry().content
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT")
    assert seen.telemetry().content


def test_pieces_of_a_stream_are_timed_where_that_is_asked_for(seen):
    m = session(seen, Reply(["a", "b", "c"]), chunks=True)
    thunk = m.act("Go.", strategy=None, await_result=False, model_options={ModelOption.STREAM: True})
    assert str(thunk.value or thunk) is not None
    m.close()
    span = seen.span("chat script")
    assert span.attributes["gen_ai.request.stream"] is True
    assert [event.name for event in span.events][:3] == ["mellea.chunk"] * 3
    assert {
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
    } <= set(seen.metrics())


def test_answers_drawn_in_one_request_are_one_span(seen):
    backend = ScriptedBackend(
        [Reply("2"), Reply("3"), Reply("2")], capabilities=[Capability.N_SAMPLES, Capability.STREAMING]
    )
    m = session(seen, backend=backend)
    strategy = MajorityVotingStrategyForMath(number_of_samples=3)
    m.instruct("1 + 1?", strategy=strategy)
    span = seen.span("chat script")
    assert span.attributes["gen_ai.request.choice.count"] == 3


async def test_plain_completions_are_one_span(seen):
    async with plugin_scope(seen.telemetry()):
        await ScriptedBackend(["a", "b"]).generate_from_raw(["x", "y"])
    assert seen.span("text_completion script").attributes["gen_ai.request.choice.count"] == 2


def test_nothing_stays_behind(seen):
    before = set(AROUND)
    m = session(seen, "x")
    m.chat("Hello?")
    (own,) = set(AROUND) - before
    m.close()
    assert own not in AROUND


def test_it_is_there_by_name(monkeypatch):
    m = start_session(ScriptedBackend("x"), plugins=[manifests, "telemetry", "costs"])
    assert m.chat("Hello?") == "x"
    m.close()


def test_lanes_are_below_their_loop(seen):
    m = session(seen, *["3"] * 3)
    m.instruct("1 + 1?", strategy=MajorityVotingStrategyForMath(number_of_samples=3))
    loop = seen.span("sampling MajorityVotingStrategyForMath")
    chats = [span for span in seen.spans if span.name == "chat script"]
    assert {span.parent.span_id for span in chats} == {loop.context.span_id}
    assert [event.name for event in loop.events] == ["mellea.attempt"] * 3
    assert seen.total("mellea.sampling.attempts") == 3
    assert seen.total("mellea.sampling.successes") == 1


# Whole programs


@generative
def mood(text: str) -> str:
    """Tell the mood of a text."""


def test_instruction_with_tools_and_a_repair_is_one_tree(seen):
    inner = MelleaSession(ScriptedBackend('{"result": "glad"}'), SimpleContext())

    @tool
    def look(text: str) -> str:
        """Look at a text."""
        return mood(inner, text=text)

    calls = Reply("", tool_calls=[("look", {"text": "Hurray!"})])
    backend = ScriptedBackend([calls, "bad", "good"], capabilities=TOOLS)
    m = session(seen, backend=backend)
    assert m.instruct("Go.", tools=[look], requirements=[GOOD]) == "good"
    m.close()
    assert seen.tree() == [
        (
            "invoke_workflow Instruction",
            (
                "sampling RejectionSamplingStrategy",
                "chat script",
                "execute_tool look",
                "chat script",
                "validation",
                "chat script",
                "validation",
            ),
        )
    ]
    assert seen.span("execute_tool look").attributes["gen_ai.tool.name"] == "look"
    assert seen.total("mellea.tool.calls", **{"mellea.tool.status": "success"}) == 1
    assert seen.total("mellea.requirement.failures", **{"mellea.requirement": "It says good."}) == 1


def test_what_a_tool_asks_is_below_the_tool(seen):
    telemetry = seen.telemetry()
    inner = MelleaSession(ScriptedBackend('{"result": "glad"}'), SimpleContext(), plugins=[telemetry])

    @tool
    def look(text: str) -> str:
        """Look at a text."""
        with seen.tracers.get_tracer("app").start_as_current_span("query"):
            return mood(inner, text=text)

    calls = Reply("", tool_calls=[("look", {"text": "Hurray!"})])
    backend = ScriptedBackend([calls, "Done."], capabilities=TOOLS)
    m = MelleaSession(backend, SimpleContext(), plugins=[telemetry])
    m.chat("Go.", tools=[look], tool_loop=True)
    (query,) = [span for span in seen.spans if span.name == "query"]
    assert query.parent.span_id == seen.span("execute_tool look").context.span_id
    assert seen.span("invoke_workflow mood").parent.span_id == query.context.span_id
    assert len({span.context.trace_id for span in seen.spans}) == 1


def test_tool_that_fails_ends_its_span_with_the_error(seen):
    @tool
    def look(text: str) -> str:
        """Look at a text."""
        raise ZeroDivisionError(text)

    calls = Reply("", tool_calls=[("look", {"text": "a secret"})])
    m = session(seen, backend=ScriptedBackend([calls, "Done."], capabilities=TOOLS))
    m.chat("Go.", tools=[look], tool_loop=True)
    span = seen.span("execute_tool look")
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "ZeroDivisionError")
    assert "secret" not in span.to_json()
    assert seen.total("gen_ai.execute_tool.duration", **{"error.type": "ZeroDivisionError"}) > 0


def test_judges_are_below_the_check(seen):
    backend = ScriptedBackend("An answer.", failures={})
    m = session(seen, backend=backend)
    m.instruct("Go.", requirements=["It is short."])
    check = seen.span("validation")
    judge = [span for span in seen.spans if span.name == "chat script"][-1]
    assert judge.parent.span_id == check.context.span_id


def test_verdict_is_an_event_of_the_span_that_was_judged(seen):
    m = session(seen, "bad", "good", events=True)
    m.instruct("Go.", requirements=[GOOD])
    chats = [span for span in seen.spans if span.name == "chat script"]
    told = [(record.log_record.span_id, dict(record.log_record.attributes)) for record in seen.events()]
    name = {"gen_ai.evaluation.name": "It says good."}
    assert told == [
        (
            chats[0].context.span_id,
            {**name, "gen_ai.evaluation.score.label": "fail", "gen_ai.evaluation.score.value": 0.0},
        ),
        (
            chats[1].context.span_id,
            {**name, "gen_ai.evaluation.score.label": "pass", "gen_ai.evaluation.score.value": 1.0},
        ),
    ]


def test_verdict_without_a_provider_of_logs_stands_in_the_check(seen):
    m = session(seen, "bad", content=True)
    m.chat("Go.")
    m.validate([GOOD])
    (event,) = seen.span("validation").events
    assert event.name == "gen_ai.evaluation.result"
    assert event.attributes["gen_ai.evaluation.score.label"] == "fail"


def test_agent_is_one_tree(seen):
    @tool
    def look(text: str) -> str:
        """Look at a text."""
        return text

    turns = [
        Reply("", tool_calls=[("look", {"text": "a"})]),
        Reply("", tool_calls=[("final_answer", {"answer": "Done."})]),
    ]
    m = MelleaSession(ScriptedBackend(turns, capabilities=TOOLS), plugins=[seen.telemetry()])
    assert m.react("Go.", tools=[look]) == "Done."
    assert seen.tree() == [("invoke_agent react", "chat script", "execute_tool look", "chat script")]
    assert seen.total("gen_ai.invoke_agent.duration") > 0


async def test_stream_is_one_tree(seen):
    with plugin_scope(seen.telemetry()):
        streamer = await stream("Go.", ScriptedBackend("good"), SimpleContext(), requirements=[GOOD])
        await streamer.acomplete()
    ((root, *below),) = seen.tree()
    assert (root, below[0]) == ("invoke_workflow stream", "chat script")


def test_verb_that_fails_ends_every_span_with_the_kind_of_error(seen):
    m = session(seen, AuthenticationError("no"))
    with pytest.raises(AuthenticationError):
        m.instruct("Go.", requirements=[GOOD])
    assert {span.status.status_code for span in seen.spans} == {StatusCode.ERROR}
    assert len(seen.spans) == 3


def test_every_attribute_is_one_of_the_conventions_or_ours(seen):
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

    newer = {
        "gen_ai.request.stream",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.workflow.name",
        "gen_ai.response.time_to_first_chunk",
    }
    known = {getattr(gen_ai_attributes, name) for name in dir(gen_ai_attributes) if name.startswith("GEN_AI")}

    @tool
    def look(text: str) -> str:
        """Look at a text."""
        return text

    calls = Reply("", tool_calls=[("look", {"text": "a"})], usage=Usage(9, 9, 1, 1))
    m = session(seen, backend=ScriptedBackend([calls, "good"], capabilities=TOOLS), content=True)
    m.instruct("Go.", tools=[look], requirements=[GOOD])
    said = {name for span in seen.spans for name in span.attributes if name.startswith("gen_ai.")}
    assert said <= known | newer
    assert len(said) > 15


async def test_embeddings_are_a_span_with_their_tokens(seen):
    class Embedding(ScriptedBackend):
        capabilities = frozenset({Capability.EMBEDDINGS})

        async def embed_texts(self, request):
            if "no" in request.prompts:
                raise AuthenticationError("no")
            return EmbeddingResponse([[1.0, 0.0] for _ in request.prompts], Usage(7, 0))

    backend, costs = Embedding(), Costs()
    with plugin_scope(seen.telemetry(), costs):
        await backend.embed(["a", "b"])
        with pytest.raises(AuthenticationError):
            await backend.embed(["no"])
    done, failed = seen.spans
    assert (done.name, done.attributes["gen_ai.usage.input_tokens"]) == ("embeddings script", 7)
    assert failed.attributes["error.type"].endswith("AuthenticationError")
    assert costs.bill.usage == Usage(7, 0)


def test_engine_of_a_backend_is_read_when_metrics_are(seen):
    class Stats:
        written_tokens, running, runs_alone = 12, 1, ""

    backend = ScriptedBackend("x")
    backend.stats = Stats
    session(seen, backend=backend).chat("Hello?")
    named = {"gen_ai.provider.name": "scripted", "gen_ai.request.model": "script"}
    assert seen.total("mellea.engine.written_tokens", **named) == 12
    assert seen.total("mellea.engine.running", **named) == 1


def test_engine_of_a_closed_backend_is_passed_over(seen, caplog):
    class Stats:
        written_tokens = 12

    def closed():
        raise ClosedError("This backend is closed.")

    gone, there = ScriptedBackend("x"), ScriptedBackend("x")
    gone.stats, there.stats = closed, Stats
    with plugin_scope(seen.telemetry()):
        for backend in (gone, there):
            MelleaSession(backend).chat("Hello?")
        assert seen.total("mellea.engine.written_tokens") == 12
    logged = [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert not logged  # as it does what a callback raises
