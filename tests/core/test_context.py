import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import CBlock, Context, ContextTurn, ModelOutputThunk
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.testing import ScriptedBackend

TEXTS = st.lists(st.text(max_size=5), max_size=30)


class Alternating(Context):
    """A third party's context with a setting, which hands it on in ``from_previous``."""

    def __init__(self, step=2):
        super().__init__()
        self.step = step

    def add(self, span):
        node = Alternating.from_previous(self, span)
        node.step = self.step
        return node

    def new_instance(self):
        return Alternating(self.step)

    def view_for_generation(self):
        return self.as_list()[:: self.step]


class Blank(Context):
    def add(self, span):
        return self.from_previous(self, span)

    def view_for_generation(self):
        return None


def filled(ctx, texts):
    for text in texts:
        ctx = ctx.add(CBlock(text))
    return ctx


@pytest.mark.parametrize("make", [SimpleContext, ChatContext, Alternating])
@given(texts=TEXTS)
def test_context_lists_what_was_added_in_order(make, texts):
    assert [str(span) for span in filled(make(), texts).as_list()] == texts


@pytest.mark.parametrize("make", [SimpleContext, ChatContext, Alternating])
@given(first=TEXTS, second=TEXTS, third=TEXTS)
def test_older_contexts_stay_as_they_were(make, first, second, third):
    base = filled(make(), first)
    left, right = filled(base, second), filled(base, third)
    assert [str(span) for span in base.as_list()] == first
    assert [str(span) for span in left.as_list()] == first + second
    assert [str(span) for span in right.as_list()] == first + third


@given(TEXTS, st.integers(0, 40))
def test_last_spans_are_the_end_of_the_list(texts, count):
    assert [str(span) for span in filled(ChatContext(), texts).as_list(count)] == (
        texts[-count:] if count else []
    )


@pytest.mark.parametrize("make", [SimpleContext, ChatContext])
def test_adding_makes_one_node_on_top_of_the_old_one(make):
    base = filled(make(), "abc")
    span = CBlock("d")
    node = base.add(span)
    assert node.previous_node is base
    assert node.node_data is span
    assert type(node) is make


def test_empty_context_is_a_root():
    assert SimpleContext().is_root_node
    assert SimpleContext().node_data is None
    assert not filled(SimpleContext(), "a").is_root_node
    assert repr(SimpleContext()) == "<SimpleContext, empty>"
    assert repr(filled(SimpleContext(), "a")) == "<SimpleContext ending in CBlock(value='a')>"


def test_simple_context_shows_nothing_and_keeps_all():
    ctx = filled(SimpleContext(), "abc")
    assert ctx.view_for_generation() == []
    assert len(ctx.as_list()) == 3


def test_iteration_goes_as_far_as_the_caller():
    newest = filled(ChatContext(), "abc").newest_first()
    assert [str(next(newest)), str(next(newest))] == ["c", "b"]


@pytest.mark.parametrize("make", [SimpleContext, ChatContext])
def test_very_long_conversation_can_be_built_read_and_dropped(make):
    ctx = filled(make(), map(str, range(50_000)))
    assert len(ctx.as_list()) == 50_000
    assert str(ctx.as_list(1)[0]) == "49999"
    del ctx
    gc.collect()


def test_last_turn_is_the_input_with_its_output():
    question, answer = CBlock("q"), ModelOutputThunk("a")
    ctx = ChatContext().add(question)
    assert ChatContext().last_turn() is None
    assert ctx.last_turn() == ContextTurn(question, None)
    assert ctx.add(answer).last_turn() == ContextTurn(question, answer)


def test_last_output_is_looked_for_among_the_last_few():
    answer = ModelOutputThunk("a")
    ctx = ChatContext().add(answer).add(CBlock("1")).add(CBlock("2"))
    assert ctx.last_output() is answer
    assert ctx.add(CBlock("3")).last_output() is None
    assert ctx.add(CBlock("3")).last_output(4) is answer


def test_third_partys_context_keeps_its_setting():
    ctx = filled(Alternating(3), "abcdef")
    assert [str(span) for span in ctx.view_for_generation()] == ["a", "d"]
    assert ctx.new_instance().step == 3
    assert ctx.is_chat_context


async def test_third_partys_context_decides_what_is_sent():
    backend = ScriptedBackend("x")
    thunk, _ = await backend.generate_from_context("now", filled(Alternating(2), "abcd"))
    await thunk.avalue()
    assert [message.content for message in backend.requests[0].messages] == ["a", "c", "now"]


async def test_context_that_shows_none_is_sent_as_nothing():
    backend = ScriptedBackend("x")
    thunk, _ = await backend.generate_from_context("now", filled(Blank(), "ab"))
    await thunk.avalue()
    assert [message.content for message in backend.requests[0].messages] == ["now"]
