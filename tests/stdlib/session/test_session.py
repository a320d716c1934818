import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pydantic
import pytest

from mellea.core import (
    Capability,
    CapabilityError,
    CBlock,
    Component,
    ComponentParseError,
    Message,
    ModelOption,
    ModelOutputThunk,
    OptionTable,
    OutputParseError,
    ServerError,
    TemplateError,
    UsageError,
)
from mellea.core.event_loop import run_sync
from mellea.stdlib import functional
from mellea.stdlib.components import Document, Instruction
from mellea.stdlib.context import ChatContext, SimpleContext, WindowCompactor
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend
from tests.core.gated import GatedBackend
from tests.core.test_blocks import PNG
from tests.core.test_generation import BarrierBackend, Older


class User(pydantic.BaseModel):
    name: str


class Asking(Component[str]):
    """A component that asks the model itself while it is rendered and while its answer is read."""

    def __init__(self, session):
        self.session = session

    def parts(self):
        return []

    def format_for_llm(self):
        return f"inner: {self.session.chat('inside format').content}"

    def _parse(self, computed):
        return self.session.instruct("inside parse").value + str(computed)


def chat_session(*answers):
    return MelleaSession(ScriptedBackend(answers), ChatContext())


def said(session):
    return [str(span) for span in session.ctx.as_list()]


def sent(session, index=-1):
    return [(message.role, message.content) for message in session.backend.requests[index].messages]


def test_act_returns_a_computed_output():
    m = chat_session("x")
    assert m.act(CBlock("hi")).value == "x"
    assert m.act.__doc__


def test_act_takes_text():
    assert chat_session("x").act("hi").value == "x"


def test_instruct_sends_its_parts():
    m = chat_session("x")
    parts = {
        "requirements": ["r"],
        "grounding_context": {"g": "h"},
        "prefix": "p",
        "user_variables": {"v": 1},
    }
    m.instruct("d {{v}}", strategy=None, **parts)
    ((role, content),) = sent(m)
    assert role == "user"
    assert all(part in content for part in ("d 1", "- r", "g = h", "p"))


def test_instruct_reads_a_format():
    assert chat_session('{"name": "Ada"}').instruct("Who?", format=User).parsed == User(name="Ada")


def test_chat_returns_the_answer_as_a_message():
    assert chat_session("hello").chat("hi") == Message("assistant", "hello")


def test_chat_takes_role_documents_and_variables():
    m = chat_session("x")
    m.chat("{{v}}", "system", documents=[Document("text"), "more"], user_variables={"v": "rules"})
    assert sent(m) == [("system", "rules\n\ntext\n\nmore")]


@pytest.mark.parametrize("name", ["images", "audio", "documents"])
def test_chat_refuses_one_text_where_a_list_belongs(name):
    with pytest.raises(UsageError, match="Pass a list"):
        chat_session("x").chat("hi", **{name: "text"})


def test_conversation_is_remembered_and_shown():
    m = chat_session("a1", "a2")
    m.chat("q1")
    m.chat("q2")
    assert sent(m) == [("user", "q1"), ("assistant", "a1"), ("user", "q2")]
    assert said(m) == ["q1", "a1", "q2", "a2"]


def test_simple_context_is_the_default_and_shows_nothing():
    m = MelleaSession(ScriptedBackend("x"))
    m.chat("q1")
    m.chat("q2")
    assert sent(m) == [("user", "q2")]
    assert type(m.ctx) is SimpleContext


@pytest.mark.parametrize("verb", ["stream_chat", "stream_instruct"])
def test_pieces_are_read_by_a_plain_loop(verb):
    m = chat_session(["a", "b"])
    thunk = getattr(m, verb)("hi")
    assert "".join(thunk) == "ab"
    assert m.backend.requests[0].stream
    assert said(m)[1] == "ab"


def test_first_piece_is_there_before_the_second():
    m = MelleaSession(GatedBackend("a", last="b"), ChatContext())
    pieces = iter(m.stream_chat("hi"))
    assert next(pieces) == "a"
    m.backend.release.open()
    assert list(pieces) == ["b"]


async def test_pieces_of_a_synchronous_verb_are_read_in_a_running_loop_too():
    m = chat_session(["a", "b"], ["c", "d"])
    assert "".join(m.stream_chat("hi")) == "ab"
    assert "".join([piece async for piece in m.stream_chat("hi")]) == "cd"


def test_streamed_chat_sends_media_and_documents_too():
    m = MelleaSession(ScriptedBackend("x", capabilities=[Capability.IMAGES]))
    m.stream_chat("look", images=[PNG], documents=["text"]).cancel()
    thunk = m.stream_chat("look", images=[PNG], documents=["text"])
    list(thunk)
    assert len(m.backend.requests[-1].messages[0].images) == 1


async def test_asynchronous_verbs_do_the_same():
    m = chat_session("a", "b", "c", ["d", "e"], ["f"])
    assert (await (await m.aact("1")).avalue()) == "a"
    assert (await m.ainstruct("2")).value == "b"
    assert (await m.achat("3")).content == "c"
    assert "".join([piece async for piece in await m.astream_chat("4")]) == "de"
    assert "".join([piece async for piece in await m.astream_instruct("5")]) == "f"
    assert said(m)[1::2] == ["a", "b", "c", "de", "f"]


async def test_asynchronous_act_can_wait():
    thunk = await chat_session("a").aact("1", await_result=True)
    assert thunk.value == "a"


async def test_synchronous_verbs_work_in_a_running_loop():
    m = chat_session("a", "b", "c")
    assert (m.chat("1").content, m.instruct("2").value, m.act("3").value) == ("a", "b", "c")


def test_synchronous_verbs_work_in_many_threads_and_lose_nothing():
    m = MelleaSession(ScriptedBackend("x"), ChatContext())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: m.chat(str(index)), range(64)))
    spans = said(m)
    assert sorted(spans[::2], key=int) == [str(index) for index in range(64)]
    assert set(spans[1::2]) == {"x"}


@pytest.mark.parametrize("asynchronous", [True, False])
def test_verbs_nest_in_rendering_and_parsing(asynchronous):
    m = MelleaSession(ScriptedBackend(["formatted", "outer", "parsed "]))
    before = threading.active_count()
    thunk = asyncio.run(m.aact(Asking(m), await_result=True)) if asynchronous else m.act(Asking(m))
    assert thunk.parsed_repr == "parsed outer"
    assert sent(m, 1) == [("user", "inner: formatted")]
    assert threading.active_count() - before <= 2


def test_nesting_over_and_over_makes_no_new_threads():
    m = MelleaSession(ScriptedBackend("x"))
    _ = m.act(Asking(m)).parsed_repr
    before = threading.active_count()
    for _ in range(20):
        _ = m.act(Asking(m)).parsed_repr
    assert threading.active_count() == before


async def test_overlapping_calls_lose_nothing():
    m = MelleaSession(BarrierBackend(20), ChatContext())
    answers = await asyncio.gather(*(m.achat(f"q{index}") for index in range(20)))
    assert [answer.content for answer in answers] == [f"Q{index}" for index in range(20)]
    pairs = {tuple(said(m)[index : index + 2]) for index in range(0, 40, 2)}
    assert pairs == {(f"q{index}", f"Q{index}") for index in range(20)}


async def test_lazy_outputs_depend_on_each_other_through_the_conversation():
    m = MelleaSession(GatedBackend(last="x"), ChatContext())
    first, second = await m.aact("1"), await m.aact("2")
    m.backend.release.open()
    assert await second.avalue() == "x"
    assert first.is_computed()
    assert sent(m) == [("user", "1"), ("assistant", "x"), ("user", "2")]


async def test_output_under_way_can_be_part_of_the_next_prompt():
    m = MelleaSession(GatedBackend(last="fact"))
    fact = await m.aact("1")
    summary = asyncio.ensure_future(m.ainstruct("use it", grounding_context={"fact": fact}))
    await m.backend.reached.passed()
    m.backend.release.open()
    await summary
    assert "fact = fact" in sent(m)[0][1]


def test_options_of_the_call_go_before_the_sessions_and_those_before_the_backends():
    backend = ScriptedBackend("x", model_options={"a": 1, "b": 1, "c": 1})
    m = MelleaSession(backend, model_options={"b": 2, "c": 2})
    m.chat("hi", model_options={"c": 3})
    assert backend.requests[0].options == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("session", "call"),
    [
        ({ModelOption.SEED: 1}, {"seed": 2}),
        ({"seed": 1}, {ModelOption.SEED: 2}),
        ({"seed": 1}, {"random_seed": 2}),
    ],
)
def test_call_goes_before_the_session_however_an_option_is_spelled(session, call):
    class Spelling(ScriptedBackend):
        options = OptionTable(
            {ModelOption.SEED: "seed"}, {"seed": ModelOption.SEED, "random_seed": ModelOption.SEED}
        )

    m = MelleaSession(Spelling("x"), model_options=session)
    m.chat("hi", model_options=call)
    assert m.backend.requests[0].options == {"seed": 2}


def test_options_of_the_session_are_not_shared_with_the_caller():
    options = {"a": 1}
    m = MelleaSession(ScriptedBackend("x"), model_options=options)
    options["a"] = 2
    m.chat("hi")
    assert m.backend.requests[0].options == {"a": 1}


@pytest.mark.parametrize("options", [["a"], "a", 5])
def test_options_that_are_no_mapping_are_refused(options):
    with pytest.raises(UsageError, match="mapping"):
        MelleaSession(ScriptedBackend("x"), model_options=options)
    with pytest.raises(UsageError, match="mapping"):
        MelleaSession(ScriptedBackend("x")).chat("hi", model_options=options)


def test_last_prompt_is_what_was_sent():
    m = chat_session("a", "b")
    assert m.last_prompt() is None
    m.chat("1")
    m.instruct("2")
    assert m.last_prompt() == [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "2"},
    ]


def test_session_of_many_turns_keeps_only_the_last_prompt():
    m = MelleaSession(ScriptedBackend("x"), ChatContext())
    for _ in range(30):
        m.chat("hi")
    logs = [span.generate_log for span in m.ctx.as_list() if isinstance(span, ModelOutputThunk)]
    assert [log is not None for log in logs] == [False] * 29 + [True]


async def test_session_of_many_lazy_turns_keeps_only_the_last_prompt():
    m = MelleaSession(GatedBackend(last="x"), ChatContext())
    thunks = [await m.aact(str(index)) for index in range(10)]
    m.backend.release.open()
    await thunks[-1].avalue()
    assert [thunk.generate_log is not None for thunk in thunks] == [False] * 9 + [True]


def test_conversation_that_is_dropped_is_freed():
    m = MelleaSession(ScriptedBackend("x"), ChatContext())
    m.chat("hi")
    output = weakref.ref(m.ctx.node_data)
    m.reset()
    m.chat("again")
    gc.collect()
    assert output() is None


# Failures


FAILURES = [
    ("error of the provider", lambda: ScriptedBackend([ServerError("down")]), "hi", {}, ServerError),
    ("cut in the middle", lambda: ScriptedBackend([["a", ServerError("cut")]]), "hi", {}, ServerError),
    (
        "missing capability",
        lambda: ScriptedBackend("x"),
        Message("user", "", images=()),
        {"tool_calls": True},
        CapabilityError,
    ),
    ("wrong format", lambda: ScriptedBackend("x"), "hi", {"format": 5}, UsageError),
    ("no span", lambda: ScriptedBackend("x"), 5, {}, UsageError),
]


@pytest.mark.parametrize(
    ("make", "action", "kwargs", "error"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
class TestFailedCall:
    """A failed call leaves the context as it was, the very same object."""

    def test_synchronous(self, make, action, kwargs, error):
        m = MelleaSession(make(), ChatContext().add(CBlock("before")))
        before = m.ctx
        with pytest.raises(error):
            m.act(action, **kwargs)
        assert m.ctx is before

    async def test_asynchronous(self, make, action, kwargs, error):
        m = MelleaSession(make(), ChatContext().add(CBlock("before")))
        before = m.ctx
        with pytest.raises(error):
            await m.aact(action, await_result=True, **kwargs)
        assert m.ctx is before

    async def test_lazy(self, make, action, kwargs, error):
        m = MelleaSession(make(), ChatContext().add(CBlock("before")))
        before = m.ctx
        with pytest.raises(error):
            await (await m.aact(action, **kwargs)).avalue()
        assert m.ctx is before

    async def test_in_a_running_loop(self, make, action, kwargs, error):
        m = MelleaSession(make(), ChatContext().add(CBlock("before")))
        before = m.ctx
        with pytest.raises(error):
            m.act(action, **kwargs)
        assert m.ctx is before


def test_stream_cut_in_the_middle_leaves_the_context_as_it_was():
    m = chat_session(["a", ServerError("cut")])
    before = m.ctx
    pieces = iter(m.stream_chat("hi"))
    assert next(pieces) == "a"
    with pytest.raises(ServerError):
        next(pieces)
    assert m.ctx is before
    assert m.backend.requests


def test_session_goes_on_after_a_failure():
    m = chat_session("a", ServerError("down"), "b")
    m.chat("1")
    with pytest.raises(ServerError):
        m.chat("2")
    m.chat("3")
    assert said(m) == ["1", "a", "3", "b"]


async def test_first_of_two_lazy_outputs_that_fails_takes_the_second_along():
    m = MelleaSession(GatedBackend(error=ServerError("down")), ChatContext().add(CBlock("before")))
    before = m.ctx
    first, second = await m.aact("1"), await m.aact("2")
    m.backend.release.open()
    caught = await asyncio.gather(first.avalue(), second.avalue(), return_exceptions=True)
    assert caught[0] is caught[1]
    assert m.ctx is before


async def test_second_of_two_lazy_outputs_that_fails_leaves_the_first():
    m = chat_session("a", ServerError("down"))
    first, second = await m.aact("1"), await m.aact("2")
    with pytest.raises(ServerError):
        await second.avalue()
    assert await first.avalue() == "a"
    assert said(m) == ["1", "a"]


async def test_lazy_output_that_fails_between_others_is_forgotten_alone():
    m = MelleaSession(ScriptedBackend(["a", ServerError("down"), "c"]), SimpleContext())
    thunks = [await m.aact(text) for text in "123"]
    await asyncio.gather(*(thunk.avalue() for thunk in thunks), return_exceptions=True)
    assert said(m) == ["1", "a", "3", "c"]


async def test_lazy_output_that_fails_in_a_bounded_conversation_gives_back_what_was_dropped():
    ctx = ChatContext(compactor=WindowCompactor(2)).add(CBlock("a")).add(CBlock("b"))
    m = MelleaSession(ScriptedBackend([ServerError("down")]), ctx)
    with pytest.raises(ServerError):
        await (await m.aact("1")).avalue()
    assert m.ctx is ctx


async def test_one_of_many_overlapping_calls_that_fails_is_left_out():
    m = MelleaSession(ScriptedBackend(["a", ServerError("down"), "c"]), ChatContext())
    results = await asyncio.gather(*(m.achat(text) for text in "123"), return_exceptions=True)
    assert [type(result) for result in results] == [Message, ServerError, Message]
    assert said(m) == ["1", "a", "3", "c"]


async def test_cancelled_call_stops_the_work_and_leaves_the_context():
    m = MelleaSession(GatedBackend("a"), ChatContext())
    before = m.ctx
    call = asyncio.ensure_future(m.achat("hi"))
    await m.backend.reached.passed()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert m.backend.stopped.is_open()
    assert m.ctx is before


async def test_lazy_output_that_is_cancelled_is_forgotten():
    m = MelleaSession(GatedBackend("a"), ChatContext())
    before = m.ctx
    thunk = await m.aact("hi")
    await m.backend.reached.passed()
    await thunk.cancel_generation()
    assert m.ctx is before


async def test_reset_while_a_call_is_under_way_leaves_the_call_out():
    m = MelleaSession(GatedBackend(last="late"), ChatContext())
    waiting, lazy = asyncio.ensure_future(m.achat("hi")), await m.aact("lazy")
    await m.backend.reached.passed()
    m.reset()
    fresh = m.ctx
    m.backend.release.open()
    assert (await waiting).content == "late"
    assert await lazy.avalue() == "late"
    assert m.ctx is fresh


async def test_context_that_is_set_while_a_call_is_under_way_stays():
    m = MelleaSession(GatedBackend(error=ServerError("down")), ChatContext())
    lazy = await m.aact("lazy")
    mine = ChatContext().add(CBlock("mine"))
    m.ctx = mine
    m.backend.release.open()
    with pytest.raises(ServerError):
        await lazy.avalue()
    assert m.ctx is mine


def test_answer_that_does_not_parse_is_remembered_and_raised_when_it_is_read():
    m = chat_session("no json")
    thunk = m.instruct("Who?", format=User, strategy=None)
    with pytest.raises(OutputParseError):
        _ = thunk.parsed
    assert said(m)[1] == "no json"


def test_component_that_cannot_read_its_answer_is_named():
    class Fussy(Instruction):
        def _parse(self, computed):
            raise LookupError("nothing")

    with pytest.raises(ComponentParseError, match="Fussy"):
        _ = chat_session("x").act(Fussy("d")).parsed_repr


def test_missing_template_variable_is_an_error_before_anything_is_sent():
    m = chat_session("x")
    with pytest.raises(TemplateError, match="name"):
        m.instruct("Dear {{name}}", user_variables={"nam": 1})
    assert m.backend.requests == []


def test_missing_capability_names_the_backends_that_have_it(monkeypatch):
    m = MelleaSession(ScriptedBackend("x"))
    for call in (
        lambda: m.chat("look", images=[PNG]),
        lambda: m.instruct("look", images=[PNG]),
        lambda: m.act("x", tool_calls=True),
    ):
        with pytest.raises(
            CapabilityError, match=r"nothing was sent\. (Installed backends that declare it: |No installed)"
        ):
            call()
    assert m.backend.requests == []


def test_backend_in_the_style_of_the_reference_works_in_a_session():
    m = MelleaSession(Older(), ChatContext())
    assert m.chat("hi") == Message("assistant", "older saw 0")
    assert m.instruct("again").value == "older saw 2"
    assert m.instruct("Who?", format=User).parsed == User(name="Ada")
    assert len(m.ctx.as_list()) == 6


def test_verbs_with_explicit_state_return_it():
    backend = ScriptedBackend(["a", "b", "c"])
    thunk, ctx = functional.act("1", ChatContext(), backend)
    message, ctx = functional.chat("2", ctx, backend)
    other, ctx = functional.instruct("3", ctx, backend)
    assert (thunk.value, message.content, other.value) == ("a", "b", "c")
    assert [str(span) for span in ctx.as_list()][1::2] == ["a", "b", "c"]


async def test_asynchronous_verbs_with_explicit_state_return_it():
    backend = ScriptedBackend(["a", "b", "c"])
    thunk, ctx = await functional.aact("1", ChatContext(), backend, await_result=False)
    message, ctx = await functional.achat("2", ctx, backend)
    other, ctx = await functional.ainstruct("3", ctx, backend)
    assert (thunk.value, message.content, other.value) == ("a", "b", "c")


def test_asynchronous_verbs_run_on_the_loop_of_the_library_too():
    m = chat_session("x")
    assert run_sync(m.achat("hi")).content == "x"


@pytest.mark.parametrize("waits", [True, False])
def test_synchronous_verbs_wait_whatever_is_asked(waits):
    with MelleaSession(ScriptedBackend("blue")) as m:
        assert m.instruct("Name a colour.", strategy=None, await_result=waits).value == "blue"
        assert m.act(Message("user", "Name a colour."), strategy=None, await_result=waits).value == "blue"
