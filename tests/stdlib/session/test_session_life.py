import asyncio
import copy
import gc
from contextvars import Context

import pytest

from mellea.core import ClosedError, GenerationCancelledError, UsageError
from mellea.core.event_loop import Closeable, run_sync
from mellea.plugins import hook
from mellea.stdlib.context import ChatContext
from mellea.stdlib.session import MelleaSession, get_session
from mellea.testing import ScriptedBackend
from tests.core.gated import GatedBackend


class Polite(MelleaSession):
    """A session of a program's own, whose constructor takes something else."""

    def __init__(self, greeting, **kwargs):
        super().__init__(ScriptedBackend("x"), ChatContext(), **kwargs)
        self.greeting = greeting

    def greet(self):
        return self.chat(self.greeting)


def owning(backend=None):
    return MelleaSession(backend or ScriptedBackend("x"), ChatContext(), owns_backend=True)


def test_leaving_the_block_closes_session_and_backend():
    with owning() as m:
        m.chat("hi")
    assert m.closed
    assert m.backend.closed


async def test_leaving_the_asynchronous_block_closes_session_and_backend():
    async with owning() as m:
        await m.achat("hi")
    assert m.closed
    assert m.backend.closed


def test_backend_that_the_program_made_stays_open():
    with MelleaSession(ScriptedBackend("x")) as m:
        pass
    assert not m.backend.closed


def test_session_is_closed_when_the_block_raises():
    with pytest.raises(LookupError), owning() as m:
        raise LookupError
    assert m.backend.closed


def test_closing_again_does_nothing():
    m = owning()
    m.close()
    m.cleanup()
    run_sync(m.aclose())
    assert m.closed


VERBS = [
    ("act", ("x",)),
    ("instruct", ("x",)),
    ("chat", ("x",)),
    ("stream_chat", ("x",)),
    ("stream_instruct", ("x",)),
    ("clone", ()),
    ("__enter__", ()),
]


@pytest.mark.parametrize(("verb", "args"), VERBS)
def test_closed_session_refuses_every_verb(verb, args):
    m = owning()
    m.close()
    with pytest.raises(ClosedError, match=r"closed: .* Ask within the block; or .*start_session"):
        getattr(m, verb)(*args)


@pytest.mark.parametrize("verb", ["aact", "ainstruct", "achat", "astream_chat", "astream_instruct"])
async def test_closed_session_refuses_every_asynchronous_verb(verb):
    m = owning()
    await m.aclose()
    with pytest.raises(RuntimeError):
        await getattr(m, verb)("x")


def test_what_was_said_can_be_read_after_closing():
    with owning() as m:
        m.chat("hi")
    assert len(m.ctx.as_list()) == 2
    assert m.last_prompt() == [{"role": "user", "content": "hi"}]
    assert "closed" in repr(m)


async def test_closing_cancels_what_is_under_way():
    m = owning(GatedBackend("a"))
    waiting, lazy = asyncio.ensure_future(m.achat("1")), await m.aact("2")
    await m.backend.reached.passed()
    await m.aclose()
    assert m.backend.stopped.is_open()
    with pytest.raises(GenerationCancelledError):
        await waiting
    with pytest.raises(GenerationCancelledError):
        await lazy.avalue()


def test_closing_cancels_a_stream_of_a_synchronous_verb():
    m = owning(GatedBackend("a"))
    pieces = iter(m.stream_chat("hi"))
    next(pieces)
    m.close()
    assert m.backend.stopped.is_open()
    with pytest.raises(GenerationCancelledError):
        next(pieces)


async def test_session_closed_while_a_call_prepares_sends_nothing_more():
    class Preparing(ChatContext):
        async def prepare(self, backend):
            await session.aclose()
            return self

    session = MelleaSession(GatedBackend("a"), Preparing())
    with pytest.raises(ClosedError):
        await session.achat("hi")
    assert session.backend.requests == []


async def test_closing_synchronously_in_a_running_loop_does_not_hang():
    m = owning(GatedBackend("a"))
    thunk = await m.aact("hi")
    await m.backend.reached.passed()
    m.close()
    with pytest.raises(GenerationCancelledError):
        await thunk.avalue()


def test_clone_begins_with_the_same_conversation_and_goes_its_own_way():
    m = owning()
    m.chat("1")
    twin = m.clone()
    assert twin.ctx is m.ctx
    assert twin.backend is m.backend
    assert twin.id != m.id
    twin.chat("2")
    assert len(m.ctx.as_list()) == 2
    assert len(twin.ctx.as_list()) == 4


def test_clone_of_a_subclass_keeps_class_and_attributes():
    twin = Polite("good day", model_options={"a": 1}).clone()
    assert type(twin) is Polite
    assert twin.greet().content == "x"
    assert twin.backend.requests[0].messages[0].content == "good day"
    assert twin.model_options == {"a": 1}


def test_clones_do_not_share_their_options():
    m = owning()
    m.clone().model_options["a"] = 1
    assert m.model_options == {}


def test_closing_one_of_two_leaves_the_other_working():
    m = owning()
    twin = copy.copy(m)
    m.close()
    assert twin.chat("hi").content == "x"
    assert not m.backend.closed
    twin.close()
    assert m.backend.closed


def test_clone_that_is_dropped_does_not_keep_the_backend_open():
    with owning() as m:
        m.clone().chat("hi")
        gc.collect()
    assert m.backend.closed


def test_what_a_session_keeps_is_closed_after_its_last_clone_though_other_closing_fails():
    class Failing(Closeable):
        async def aclose(self):
            raise LookupError

    m = owning()
    kept = m.keep(ScriptedBackend("y"))
    m.keep(Failing())
    twin = m.clone()
    m.close()
    assert not kept.closed

    with pytest.raises(LookupError):
        twin.close()

    assert kept.closed
    assert m.backend.closed
    with pytest.raises(ClosedError):
        m.keep(kept)


def test_lazy_turns_of_a_clone_are_its_own():
    m = owning(GatedBackend("a"))
    twin = m.clone()
    m.stream_chat("hi")
    twin.close()
    assert not m.backend.stopped.is_open()
    m.close()


def test_current_session_is_the_innermost_block():
    def enter_two():
        with owning() as outer:
            with owning() as inner:
                assert get_session() is inner
            assert get_session() is outer
        with pytest.raises(UsageError, match="No session") as caught:
            get_session()
        assert isinstance(caught.value, RuntimeError)

    Context().run(enter_two)  # a fixture may hold a session open around the test


def test_sessions_may_be_left_in_the_order_in_which_they_were_entered():
    heard = []

    @hook("generation_pre_call")
    async def note(payload, ctx):
        heard.append(payload.session_id)

    def overlap():
        first, second, third = owning(), owning(), MelleaSession(ScriptedBackend("x"), plugins=[note])
        with third:
            first.__enter__()
            second.__enter__()
            first.__exit__(None, None, None)
            assert get_session() is second
            second.__exit__(None, None, None)
            assert get_session() is third
            third.chat("hi")
        with pytest.raises(UsageError, match="No session"):
            get_session()
        with owning() as m:
            m.chat("hi")
        assert heard == [third.id]

    Context().run(overlap)


def test_one_session_may_be_entered_twice():
    m = owning()
    with m, m:
        assert get_session() is m


async def test_current_session_is_seen_by_tasks_and_synchronous_verbs():
    async def look():
        return get_session()

    async with owning() as m:
        assert await asyncio.create_task(look()) is m
        assert run_sync(look()) is m


async def test_sessions_of_two_tasks_do_not_meet():
    async def within():
        async with owning() as m:
            await asyncio.sleep(0)
            return get_session() is m

    assert await asyncio.gather(within(), within()) == [True, True]


def test_reset_forgets_what_was_said():
    m = owning()
    m.chat("hi")
    m.reset()
    assert m.ctx.as_list() == []
    assert m.chat("again").content == "x"


@pytest.mark.parametrize("backend", [None, "hf", 5, ScriptedBackend])
def test_session_wants_a_backend(backend):
    with pytest.raises(UsageError, match="is no backend"):
        MelleaSession(backend if backend is not ScriptedBackend else object())


@pytest.mark.parametrize("ctx", ["chat", 5, ChatContext])
def test_session_wants_a_context(ctx):
    with pytest.raises(UsageError, match="is no context"):
        MelleaSession(ScriptedBackend(), ctx)
    m = owning()
    with pytest.raises(UsageError, match="is no context"):
        m.ctx = ctx


def test_session_may_be_named():
    assert MelleaSession(ScriptedBackend(), session_id="mine").id == "mine"


def test_repr_shows_backend_and_context():
    assert repr(owning()) == "<MelleaSession ScriptedBackend(model_id='script'), <ChatContext, empty>>"
