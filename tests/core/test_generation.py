import asyncio
import json
from collections.abc import AsyncIterator

import pydantic
import pytest

from mellea.core import (
    AudioBlock,
    Backend,
    Capability,
    CapabilityError,
    CBlock,
    Chunk,
    Completion,
    FormatterBackend,
    GenerationCancelledError,
    ImageBlock,
    MalformedResponseError,
    Message,
    ModelOption,
    ModelOutputThunk,
    OptionNotSupportedWarning,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    TemplateRepresentation,
    UnsupportedOptionError,
    UsageError,
)
from mellea.stdlib.components import Instruction, SimpleComponent
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.testing import ScriptedBackend
from tests.core.gated import GatedBackend
from tests.core.test_blocks import PNG, WAV


class User(pydantic.BaseModel):
    name: str


class BarrierBackend(Backend):
    """Answers when as many calls as expected have arrived."""

    provider = "barrier"

    def __init__(self, parties):
        super().__init__("b")
        self.barrier = asyncio.Barrier(parties)

    async def stream_chat(self, request) -> AsyncIterator[Chunk]:
        await self.barrier.wait()
        yield Chunk(text=request.messages[-1].content.upper())


class Silent(Backend):
    """Never answers."""

    provider = "silent"
    capabilities = frozenset({Capability.RAW})

    def __init__(self):
        super().__init__("s")
        self.stopped = False

    async def stream_chat(self, request) -> AsyncIterator[Chunk]:
        try:
            await asyncio.Event().wait()
            yield Chunk()
        finally:
            self.stopped = True

    async def complete(self, request):
        await asyncio.Event().wait()


class Broken(Backend):
    """Raises what it is given, in both ways of asking."""

    provider = "broken"
    capabilities = frozenset({Capability.RAW})

    def __init__(self, error):
        super().__init__("b")
        self.error = error

    async def stream_chat(self, request) -> AsyncIterator[Chunk]:
        yield Chunk(text="first")
        raise self.error

    async def complete(self, request):
        raise self.error

    def translate_error(self, error):
        return RateLimitError("slow down.", hint="Wait.") if isinstance(error, OverflowError) else None


class Picture:
    """A component whose image shows only when it is rendered."""

    def parts(self):
        return []

    def format_for_llm(self):
        return TemplateRepresentation(self, template="look", images=[ImageBlock(PNG)])


async def ask(backend, action="hi", ctx=None, **kwargs):
    thunk, _ = await backend.generate_from_context(action, ctx or SimpleContext(), **kwargs)
    await thunk.avalue()
    return thunk


async def test_action_and_output_are_added_to_the_context():
    action, ctx = CBlock("hi"), ChatContext()
    thunk, after = await ScriptedBackend("x").generate_from_context(action, ctx)
    assert after.as_list() == [action, thunk]
    assert ctx.as_list() == []
    await thunk.avalue()


async def test_outputs_in_components_and_context_are_awaited_side_by_side():
    barrier = BarrierBackend(3)
    first, _ = await barrier.generate_from_context("a", SimpleContext())
    second, _ = await barrier.generate_from_context("b", SimpleContext())
    third, _ = await barrier.generate_from_context("c", SimpleContext())
    backend = ScriptedBackend("done")
    action = SimpleComponent(first=first, nested=SimpleComponent(second=second))
    await ask(backend, action, ChatContext().add(CBlock("before")).add(third))
    assert [message.content for message in backend.requests[0].messages[:2]] == ["before", "C"]
    assert json.loads(backend.requests[0].messages[2].content)["first"] == "A"


async def test_thunk_that_failed_fails_what_depends_on_it_with_the_same_error():
    error = RequestRejectedError("no")
    failed, _ = await ScriptedBackend([error]).generate_from_context("a", SimpleContext())
    backend = ScriptedBackend("x")
    with pytest.raises(RequestRejectedError) as caught:
        await ask(backend, SimpleComponent(part=failed))
    assert caught.value is error
    assert backend.requests == []


async def test_conversation_is_sent_oldest_first():
    ctx = ChatContext().add(Message("system", "be kind")).add(Message("user", "q")).add(ModelOutputThunk("a"))
    backend = ScriptedBackend("x")
    await ask(backend, Message("user", "next"), ctx)
    assert [(message.role, message.content) for message in backend.requests[0].messages] == [
        ("system", "be kind"),
        ("user", "q"),
        ("assistant", "a"),
        ("user", "next"),
    ]


async def test_system_prompt_and_system_message_of_the_conversation_are_one():
    backend = ScriptedBackend("x")
    ctx = ChatContext().add(Message("system", "Be kind."))

    await ask(backend, CBlock("q"), ctx, model_options={ModelOption.SYSTEM_PROMPT: "Be brief."})

    sent = [(message.role, message.content) for message in backend.requests[0].messages]
    assert sent == [("system", "Be brief.\n\nBe kind."), ("user", "q")]


async def test_system_prompt_goes_first_and_is_no_option_of_the_provider():
    backend = ScriptedBackend("x")
    await ask(
        backend,
        ctx=ChatContext().add(Message("user", "q")),
        model_options={ModelOption.SYSTEM_PROMPT: "be brief"},
    )
    assert backend.requests[0].messages[0] == Message("system", "be brief")
    assert backend.requests[0].options == {}


@pytest.mark.parametrize("stream", [True, False])
async def test_streaming_is_asked_for_by_option(stream):
    backend = ScriptedBackend([["a", "b"]])
    thunk = await ask(backend, model_options={ModelOption.STREAM: stream})
    assert backend.requests[0].stream is stream
    assert thunk.generation.streaming is stream


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        (Message("user", "look", images=[ImageBlock(PNG)]), "images"),
        (Instruction("look", images=[PNG]), "images"),
        (ImageBlock(PNG), "images"),
        (SimpleComponent(inner=Message("user", "look", images=[ImageBlock(PNG)])), "images"),
        (Message("user", "listen", audio=[AudioBlock(WAV, "wav")]), "audio"),
    ],
)
async def test_media_that_the_backend_cannot_read_are_refused_at_once(action, missing):
    backend = ScriptedBackend("x")
    with pytest.raises(CapabilityError, match="nothing was sent") as caught:
        await backend.generate_from_context(action, SimpleContext())
    assert (caught.value.missing, caught.value.backend) == (missing, "scripted")
    assert backend.requests == []


@pytest.mark.parametrize(
    ("action", "ctx"),
    [
        (Picture(), SimpleContext()),
        (CBlock("and now?"), ChatContext().add(Message("user", "look", images=[ImageBlock(PNG)]))),
    ],
)
async def test_media_that_only_rendering_shows_are_refused_before_anything_is_sent(action, ctx):
    backend = ScriptedBackend("x")
    with pytest.raises(CapabilityError, match=r"mellea backends$"):
        await ask(backend, action, ctx)
    assert backend.requests == []


async def test_media_reach_a_backend_that_reads_them():
    backend = ScriptedBackend("x", capabilities=[Capability.IMAGES])
    await ask(backend, Picture())
    assert backend.requests[0].messages[0].images == [ImageBlock(PNG)]


@pytest.mark.parametrize("asking", [{"tool_calls": True}, {"model_options": {ModelOption.TOOLS: [print]}}])
async def test_tools_are_refused_by_a_backend_that_calls_none(asking):
    with pytest.raises(CapabilityError) as caught:
        await ask(ScriptedBackend("x"), **asking)
    assert caught.value.missing == "tools"


async def test_two_tools_of_one_name_are_refused():
    backend = ScriptedBackend("x", capabilities=[Capability.TOOLS])
    with pytest.raises(UsageError, match="named print"):
        await ask(backend, model_options={ModelOption.TOOLS: [print, len, print]})
    assert backend.requests == []


async def test_schema_is_written_into_the_prompt_when_the_backend_cannot_constrain():
    backend = ScriptedBackend('{"name": "Ada"}')
    thunk = await ask(backend, Message("user", "Who?"), format=User)
    sent = backend.requests[0]
    assert sent.schema is None
    assert sent.messages[-1].content.startswith("Who?\n\nAnswer with one JSON value")
    assert json.dumps(User.model_json_schema()) in sent.messages[-1].content
    assert thunk.parsed == User(name="Ada")


async def test_schema_is_handed_to_a_backend_that_constrains():
    backend = ScriptedBackend('{"name": "Ada"}', capabilities=[Capability.JSON_SCHEMA])
    await ask(backend, Message("user", "Who?"), format=User)
    assert backend.requests[0].schema.model is User
    assert backend.requests[0].messages[-1].content == "Who?"


@pytest.mark.parametrize("wrong", [{"format": 5}, {"model_options": [1]}])
async def test_wrong_arguments_are_refused_at_once(wrong):
    backend = ScriptedBackend("x")
    with pytest.raises(UsageError):
        await backend.generate_from_context("hi", SimpleContext(), **wrong)
    assert backend.requests == []


@pytest.mark.parametrize("stream", [True, False])
async def test_backend_that_never_answers_runs_into_the_time_out_and_is_stopped(stream):
    backend = Silent()
    options = {ModelOption.STREAM_TIMEOUT: 0.01, ModelOption.STREAM: stream}
    with pytest.raises(ProviderTimeoutError, match=r"sent nothing for 0\.01 seconds") as caught:
        await ask(backend, model_options=options)
    assert backend.stopped
    assert (caught.value.backend, caught.value.model_id) == ("silent", "s")


async def test_time_out_counts_from_the_last_piece():
    backend = GatedBackend("a", "b")
    thunk, _ = await backend.generate_from_context(
        "hi", SimpleContext(), model_options={ModelOption.STREAM_TIMEOUT: 0.05}
    )
    read = []
    with pytest.raises(ProviderTimeoutError):
        read.extend([piece async for piece in thunk])
    assert thunk.text == "ab"
    assert backend.stopped.is_open()


async def test_no_time_out_waits_for_the_gate():
    backend = GatedBackend("a", last="b")
    options = {ModelOption.STREAM_TIMEOUT: None, ModelOption.STREAM: True}
    thunk, _ = await backend.generate_from_context("hi", SimpleContext(), model_options=options)
    await backend.reached.passed()
    backend.release.open()
    assert await thunk.avalue() == "ab"


async def test_unknown_exception_becomes_ours_with_the_original_chained():
    original = ZeroDivisionError("oops")
    with pytest.raises(ProviderError, match=r"'broken' failed: ZeroDivisionError: oops") as caught:
        await ask(Broken(original))
    assert caught.value.__cause__ is original


async def test_known_exception_is_translated_with_the_original_chained():
    original = OverflowError("429")
    with pytest.raises(RateLimitError, match="slow down") as caught:
        await ask(Broken(original))
    assert caught.value.__cause__ is original


async def test_our_own_error_passes_as_it_is():
    original = RequestRejectedError("no")
    with pytest.raises(RequestRejectedError) as caught:
        await ask(Broken(original))
    assert caught.value is original
    assert original.__cause__ is None


async def test_component_that_cannot_render_fails_with_its_own_exception():
    class Faulty(Picture):
        def format_for_llm(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await ask(ScriptedBackend("x"), Faulty())


async def test_backend_that_gives_something_else_than_chunks_is_closed():
    class Wordy(GatedBackend):
        async def stream_chat(self, request):
            try:
                yield "text"
            finally:
                self.stopped.open()

    backend = Wordy()
    with pytest.raises(MalformedResponseError, match="Wordy.stream_chat of backend 'gated' yielded str"):
        await ask(backend)
    assert backend.stopped.is_open()


async def _returns(self, request):
    return Chunk("x")


def _plain_generator(self, request):
    yield Chunk("x")


async def _nothing(self, request):
    for chunk in ():
        yield chunk


async def _bytes(self, request):
    yield Chunk(text=b"x")


async def _failing(self, request):
    raise RuntimeError("lost")
    yield


@pytest.mark.parametrize(
    ("stream_chat", "words"),
    [
        (_returns, "returned coroutine. Make it an asynchronous generator"),
        (_plain_generator, "returned generator. Make it an asynchronous generator"),
        (_nothing, "ended without a chunk"),
        (_bytes, "Backend 'toy' failed: TypeError: a chunk's text and thinking are text, not b'x'"),
    ],
)
async def test_error_names_the_plugin_and_what_stream_chat_must_yield(stream_chat, words):
    toy = type("Toy", (Backend,), {"provider": "toy", "stream_chat": stream_chat})

    with pytest.raises(ProviderError, match="toy") as caught:
        await ask(toy("m"))
    assert words in str(caught.value)


async def test_translate_error_that_raises_hides_nothing():
    def translate_error(self, error):
        raise KeyError("table")

    toy = type("Toy", (Backend,), {"stream_chat": _failing, "translate_error": translate_error})

    with pytest.raises(ProviderError, match="RuntimeError: lost") as caught:
        await ask(toy("m"))
    assert caught.value.__cause__.__notes__ == ["Toy.translate_error raised KeyError: 'table'."]


async def test_empty_pieces_are_no_sign_of_life():
    class Empty(Backend):
        capabilities = frozenset({Capability.STREAMING})

        async def stream_chat(self, request):
            while True:
                await asyncio.sleep(0.001)
                yield Chunk("")

    with pytest.raises(ProviderTimeoutError, match="sent nothing for 0.05 seconds"):
        await ask(Empty("m"), model_options={ModelOption.STREAM: True, ModelOption.STREAM_TIMEOUT: 0.05})


async def test_answer_that_drips_without_end_reaches_the_total_limit():
    class Dripping(Backend):
        async def stream_chat(self, request):
            while True:
                await asyncio.sleep(0.001)
                yield Chunk("x")

    with pytest.raises(ProviderTimeoutError, match="was not done after 0.05 seconds") as caught:
        await ask(Dripping("m"), model_options={ModelOption.TIMEOUT: 0.05})
    assert "ModelOption.TIMEOUT" in str(caught.value)


async def test_backend_that_does_not_chat_says_so():
    with pytest.raises(CapabilityError, match="does not chat: Backend has no stream_chat") as caught:
        await ask(Backend("m"))
    assert caught.value.__cause__ is not caught.value


async def test_what_getting_ready_raises_is_translated_like_any_error():
    class Unready(ScriptedBackend):
        async def ready(self):
            raise LookupError("no socket")

        def translate_error(self, error):
            return ProviderConnectionError(f"No way to the server: {error}.")

    backend = Unready("x", capabilities=[Capability.RAW])

    for failing in (
        ask(backend),
        backend.generate_from_raw([CBlock("Hi")]),
        backend.supports(Capability.SEED),
    ):
        with pytest.raises(ProviderConnectionError, match="No way to the server: no socket") as caught:
            await failing
        assert isinstance(caught.value.__cause__, LookupError)


async def test_unsupported_option_is_reported_once_for_a_backend():
    backend = ScriptedBackend("x")
    with pytest.warns(OptionNotSupportedWarning, match="LOGITS"):
        await ask(backend, model_options={ModelOption.LOGITS: True})
    await ask(backend, model_options={ModelOption.LOGITS: True})
    with pytest.warns(OptionNotSupportedWarning, match="LOGITS"):
        await ask(ScriptedBackend("x"), model_options={ModelOption.LOGITS: True})


async def test_unsupported_option_is_an_error_in_strict_mode():
    backend = ScriptedBackend("x", strict_options=True)
    with pytest.raises(UnsupportedOptionError, match="LOGITS"):
        await ask(backend, model_options={ModelOption.LOGITS: True})
    assert backend.requests == []


async def test_raw_completion_answers_each_prompt_in_order():
    backend = ScriptedBackend(["1", "2"], model_options={ModelOption.SEED: 3})
    first, second = await backend.generate_from_raw(
        ["one", CBlock("two")], model_options={ModelOption.TEMPERATURE: 0}
    )
    assert (first.value, second.value) == ("1", "2")
    assert backend.requests[0].prompts == ("one", "two")
    assert backend.requests[0].options == {"seed": 3, "temperature": 0}
    assert (first.generation.provider, first.generation.finish_reasons) == ("scripted", ("stop",))


async def test_raw_completion_awaits_and_reads_components():
    pending, _ = await ScriptedBackend("B").generate_from_context("b", SimpleContext())
    backend = ScriptedBackend("x")
    (answer,) = await backend.generate_from_raw([SimpleComponent(a=pending)])
    assert backend.requests[0].prompts == ('{"a": "B"}',)
    assert answer.parsed_repr == "x"


async def test_raw_completion_of_nothing_asks_nothing():
    backend = ScriptedBackend("x")
    assert await backend.generate_from_raw([]) == []
    assert backend.requests == []


@pytest.mark.parametrize(
    ("backend", "kwargs", "missing"),
    [
        (GatedBackend(), {}, "raw"),
        (ScriptedBackend("x"), {"tool_calls": True}, "tools"),
        (ScriptedBackend("x"), {"model_options": {ModelOption.TOOLS: [print]}}, "tools"),
        (ScriptedBackend("x"), {"format": User}, "json_schema"),
    ],
)
async def test_raw_completion_refuses_what_the_backend_cannot_do(backend, kwargs, missing):
    with pytest.raises(CapabilityError, match=r"mellea backends$") as caught:
        await backend.generate_from_raw(["x"], **kwargs)
    assert caught.value.missing == missing


async def test_raw_completion_reports_a_system_prompt_that_it_cannot_show():
    with pytest.warns(OptionNotSupportedWarning, match="SYSTEM_PROMPT for plain completion"):
        await ScriptedBackend("x").generate_from_raw(["a"], model_options={ModelOption.SYSTEM_PROMPT: "b"})


async def test_raw_completion_runs_into_the_time_out():
    with pytest.raises(ProviderTimeoutError, match="sent nothing"):
        await Silent().generate_from_raw(["x"], model_options={ModelOption.STREAM_TIMEOUT: 0.01})


@pytest.mark.parametrize("original", [ZeroDivisionError("oops"), TimeoutError("theirs")])
async def test_raw_completion_chains_unknown_exceptions(original):
    with pytest.raises(ProviderError) as caught:
        await Broken(original).generate_from_raw(["x"])
    assert caught.value.__cause__ is original
    assert type(caught.value) is ProviderError


async def test_raw_completion_keeps_our_own_errors():
    original = RequestRejectedError("no")
    with pytest.raises(RequestRejectedError) as caught:
        await Broken(original).generate_from_raw(["x"])
    assert caught.value is original
    assert original.__cause__ is None


async def test_raw_completion_with_too_few_answers_is_the_backends_fault():
    class Short(ScriptedBackend):
        async def complete(self, request):
            return [Completion("only one")]

    with pytest.raises(MalformedResponseError, match="gave 1 completions for 2 prompts"):
        await Short().generate_from_raw(["a", "b"])


class Older(FormatterBackend):
    """Written before ``stream_chat`` existed."""

    def __init__(self):
        self._model_id = "older-1"
        self._provider = "older"

    async def _generate_from_context(self, action, ctx, *, format=None, model_options=None, tool_calls=False):
        thunk = ModelOutputThunk(
            value='{"name": "Ada"}' if format else f"older saw {len(ctx.view_for_generation() or [])}"
        )
        return thunk, ctx.add(action).add(thunk)

    async def _generate_from_raw(self, actions, ctx, *, format=None, model_options=None, tool_calls=False):
        return [ModelOutputThunk(value=str(action)) for action in actions], {"total_tokens": 3}


async def test_backend_that_overrides_the_underscored_methods_works():
    thunk, after = await Older().generate_from_context(Message("user", "hi"), ChatContext())
    assert thunk.parsed_repr == Message("assistant", "older saw 0")
    assert len(after.as_list()) == 2


async def test_backend_that_overrides_the_underscored_methods_gets_formats_read():
    thunk, _ = await Older().generate_from_context("hi", ChatContext(), format=User)
    assert thunk.parsed == User(name="Ada")


async def test_backend_that_returns_a_tuple_of_raw_completions_works():
    (thunk,) = await Older().generate_from_raw([CBlock("x")])
    assert thunk.value == "x"


async def test_backend_is_an_asynchronous_context_manager():
    async with ScriptedBackend("x") as backend:
        await ask(backend)
    assert backend.closed


def test_backend_is_a_context_manager():
    with ScriptedBackend("x") as backend:
        pass
    assert backend.closed


async def test_many_generations_run_side_by_side():
    backend = BarrierBackend(100)
    thunks = [(await backend.generate_from_context(str(index), SimpleContext()))[0] for index in range(100)]
    assert await asyncio.gather(*(thunk.avalue() for thunk in thunks)) == [str(index) for index in range(100)]


async def test_loop_that_ends_stops_the_work():
    backend = GatedBackend("a")

    async def main():
        thunk, _ = await backend.generate_from_context("hi", SimpleContext())
        await backend.reached.passed()
        return thunk

    thunk = await asyncio.to_thread(asyncio.run, main())
    assert backend.stopped.is_open()
    with pytest.raises(GenerationCancelledError):
        await thunk.avalue()


async def test_half_a_character_is_refused_with_its_place():
    backend = ScriptedBackend("yes")
    ctx = ChatContext().add(Message("user", "Well \ud83d lamp"))

    thunk, _ = await backend.generate_from_context(CBlock("Go on."), ctx)

    with pytest.raises(UsageError, match=r"user message holds half a character .*position 5, after 'Well '"):
        await thunk.avalue()
    assert not backend.requests


async def test_half_a_character_is_refused_in_a_plain_completion():
    backend = ScriptedBackend("yes")

    with pytest.raises(UsageError, match="half a character"):
        await backend.generate_from_raw([CBlock("Well \udc00")])
