import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.backends import model_ids
from mellea.core import (
    Capability,
    CBlock,
    Chunk,
    Message,
    ModelOutputThunk,
    RequestRejectedError,
    ServerError,
    Usage,
    UsageError,
)
from mellea.core.context import Context
from mellea.stdlib.context import (
    ChatContext,
    InlineCompactor,
    LLMSummarizeCompactor,
    SimpleContext,
    ThresholdCompactor,
    WindowCompactor,
    pin_nothing,
    pin_system,
    pin_system_and_initial_user,
)
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend

SYSTEM = Message("system", "be kind")


def filled(ctx, texts):
    for text in texts:
        ctx = ctx.add(Message("user", str(text)))
    return ctx


def shown(spans):
    return [str(span) for span in spans]


class Counting(ChatContext):
    """Counts the nodes that a view touches."""

    touched = 0

    @property
    def _previous(self):
        Counting.touched += 1
        return self.__dict__.get("previous")

    @_previous.setter
    def _previous(self, node):
        self.__dict__["previous"] = node


class CountingBackend(ScriptedBackend):
    """Counts one token for each character."""

    def __init__(self, answers=""):
        super().__init__(answers)
        self.counted = []

    async def count_tokens(self, messages):
        self.counted += [message.content for message in messages]
        return sum(len(message.content) for message in messages)


def test_conversation_shows_everything():
    assert shown(filled(ChatContext(), "abc").view_for_generation()) == ["a", "b", "c"]


@given(st.integers(1, 8), st.integers(0, 4), st.integers(0, 12))
def test_window_shows_the_newest_spans_and_the_pinned_ones(window, pinned, others):
    ctx = ChatContext(window_size=window)
    for _ in range(pinned):
        ctx = ctx.add(SYSTEM)
    ctx = filled(ctx, range(others))
    everything = shown(ctx.as_list())
    hidden = max(0, len(everything) - window)
    expected = everything[: min(pinned, hidden)] + everything[hidden:]
    assert shown(ctx.view_for_generation()) == expected


def test_only_system_messages_at_the_beginning_are_pinned():
    ctx = filled(ChatContext(window_size=2).add(SYSTEM), "ab").add(Message("system", "later"))
    assert shown(ctx.view_for_generation()) == ["be kind", "b", "later"]
    assert shown(filled(ctx, "cd").view_for_generation())[-2:] == ["c", "d"]


def test_view_of_a_window_touches_only_the_window():
    ctx = filled(Counting(window_size=20), range(1000))
    Counting.touched = 0
    assert len(ctx.view_for_generation()) == 20
    assert Counting.touched <= 2 * 20 + 2


async def test_view_within_a_budget_touches_only_what_it_shows():
    ctx = filled(Counting(token_context_length_limit=40), ["x" * 10] * 1000)
    Counting.touched = 0
    view = await ctx.view(CountingBackend())
    assert len(view) == 3
    assert Counting.touched < 20


def answered(ctx, turns):
    for turn in range(turns):
        ctx = ctx.add(Message("user", f"q{turn}")).add(ModelOutputThunk(f"a{turn}"))
    return ctx


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, ["q2", "a2"]), (2, ["q2", "a2"]), (3, ["q2", "a2"]), (4, ["q1", "a1", "q2", "a2"])],
)
@pytest.mark.parametrize("bound", ["window", "budget", "compactor"])
async def test_cut_conversation_begins_with_a_question(bound, size, expected):
    settings = {
        "window": {"window_size": size},
        "budget": {"token_context_length_limit": -(-size * 2 * 4 // 3)},  # 2 tokens each, in three quarters
        "compactor": {"compactor": WindowCompactor(size)},
    }[bound]
    ctx = answered(ChatContext(**settings).add(SYSTEM if bound != "budget" else Message("system", "")), 3)
    assert shown(await ctx.view(CountingBackend()))[1:] == expected


async def test_answers_of_tools_stay_with_their_question():
    ctx = answered(ChatContext(window_size=3), 1).add(Message("user", "q")).add(Message("assistant", "call"))
    ctx = ctx.add(Message("tool", "3")).add(ModelOutputThunk("a"))
    assert shown(ctx.view_for_generation()) == ["q", "call", "3", "a"]


async def test_conversation_that_is_not_cut_may_begin_with_a_greeting():
    greeted = answered(
        ChatContext(window_size=9, token_context_length_limit=99).add(ModelOutputThunk("hi")), 1
    )
    assert shown(greeted.view_for_generation()) == ["hi", "q0", "a0"]
    assert shown(await greeted.view(CountingBackend())) == ["hi", "q0", "a0"]


async def test_conversation_of_answers_alone_is_cut_at_its_bound():
    ctx = ChatContext(window_size=2)
    for text in "abc":
        ctx = ctx.add(ModelOutputThunk(text))
    assert shown(ctx.view_for_generation()) == ["b", "c"]


def test_pinned_question_of_a_compactor_takes_the_newest_as_they_are():
    compactor = WindowCompactor(1, pin_predicate=pin_system_and_initial_user)
    assert shown(answered(ChatContext(compactor=compactor), 3).as_list()) == ["q0", "a2"]


async def test_counting_that_fails_is_an_estimate():
    class Refusing(ScriptedBackend):
        async def count_tokens(self, messages):
            raise RequestRejectedError("roles must alternate")

    ctx = filled(ChatContext(token_context_length_limit=40), ["a" * 60, "b" * 60, "c" * 60])
    assert shown(await ctx.view(Refusing())) == ["b" * 60, "c" * 60]


def test_settings_survive_adding_and_beginning_anew():
    compactor = WindowCompactor(3)
    for settings in ({"window_size": 4}, {"token_context_length_limit": 50}, {"compactor": compactor}):
        ctx = filled(ChatContext(**settings), "ab")
        for other in (ctx, ctx.new_instance(), filled(ctx.new_instance(), "c")):
            assert (other.window_size, other.token_limit, other.compactor) == (
                settings.get("window_size"),
                settings.get("token_context_length_limit"),
                settings.get("compactor", other.compactor),
            )
        assert ctx.new_instance().as_list() == []


def test_reset_of_a_session_keeps_the_settings():
    with MelleaSession(ScriptedBackend("x"), ChatContext(window_size=4)) as m:
        m.chat("hi")
        m.reset()
        assert m.ctx.window_size == 4
        assert m.ctx.as_list() == []


def test_catalogued_model_gives_the_limit():
    assert ChatContext(model_id="granite4.1:3b").token_limit == 131072
    assert ChatContext(model_id=model_ids.HF_SMOLLM2_135M).token_limit == 8192
    assert ChatContext(model_id="unknown").token_limit is None
    assert ChatContext(model_id="granite4.1:3b", token_context_length_limit=10).token_limit == 10


@pytest.mark.parametrize(
    "settings",
    [
        {"window_size": 0},
        {"token_context_length_limit": -1},
        {"compactor": WindowCompactor(1), "window_size": 1},
        {"compactor": 5},
    ],
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(UsageError):
        ChatContext(**settings)


async def test_budget_counts_with_the_backend_and_keeps_the_pinned_and_the_newest():
    ctx = filled(ChatContext(token_context_length_limit=40).add(SYSTEM), ["a" * 10, "b" * 10, "c" * 10])
    assert shown(await ctx.view(CountingBackend())) == ["be kind", "b" * 10, "c" * 10]


async def test_budget_counts_each_span_once():
    backend = CountingBackend()
    ctx = filled(ChatContext(token_context_length_limit=100), ["a" * 10, "b" * 10])
    await ctx.view(backend)
    await filled(ctx, ["c"]).view(backend)
    assert sorted(backend.counted) == ["a" * 10, "b" * 10, "c"]


async def test_budget_shows_the_newest_span_however_long():
    ctx = filled(ChatContext(token_context_length_limit=4), ["a", "b" * 100])
    assert shown(await ctx.view(CountingBackend())) == ["b" * 100]


async def test_budget_respects_a_window_too():
    ctx = filled(ChatContext(token_context_length_limit=1000, window_size=2).add(SYSTEM), "abc")
    assert shown(await ctx.view(CountingBackend())) == ["be kind", "b", "c"]


async def test_budget_of_a_conversation_that_is_all_pinned_shows_it():
    ctx = ChatContext(token_context_length_limit=1000, window_size=1).add(SYSTEM).add(SYSTEM)
    assert shown(await ctx.view(CountingBackend())) == ["be kind", "be kind"]


async def test_budget_takes_reported_usage_where_the_backend_cannot_count():
    class Reporting(ScriptedBackend):
        async def stream_chat(self, request):
            yield Chunk(text="one two", usage=Usage(0, 500))

    ctx = filled(ChatContext(token_context_length_limit=400), ["a"])
    thunk, ctx = await Reporting().generate_from_context(CBlock("q"), ctx)
    await thunk.avalue()
    ctx = filled(ctx, ["b"])
    assert shown(await ctx.view(ScriptedBackend())) == ["b"]


async def test_budget_estimates_where_nothing_is_known():
    ctx = filled(ChatContext(token_context_length_limit=40), ["a" * 60, "b" * 60, "c" * 60])
    assert shown(await ctx.view(ScriptedBackend())) == ["b" * 60, "c" * 60]


async def test_subclass_that_decides_its_own_view_is_not_cut():
    class Last(ChatContext):
        def view_for_generation(self):
            return self.as_list(1)

    ctx = filled(Last(token_context_length_limit=40), "abc")
    assert shown(await ctx.view(CountingBackend())) == ["c"]


async def test_conversation_on_top_of_another_type_of_context_can_be_budgeted():
    below = SimpleContext().add(CBlock("below"))
    ctx = ChatContext.from_previous(below, CBlock("above"))
    ctx.token_limit = 100
    assert shown(await ctx.view(CountingBackend()))[-1] == "above"


def test_window_compactor_bounds_the_conversation_itself():
    ctx = filled(ChatContext(compactor=WindowCompactor(20)).add(SYSTEM), range(100))
    assert shown(ctx.as_list()) == ["be kind", *map(str, range(80, 100))]
    assert type(ctx) is ChatContext


def test_window_compactor_keeps_to_its_length_with_every_turn():
    with MelleaSession(ScriptedBackend("x"), ChatContext(compactor=WindowCompactor(20))) as m:
        lengths = {len((m.chat("hi"), m.ctx.as_list())[1]) for _ in range(30)}
    assert max(lengths) == 20


def test_compacted_conversation_leaves_the_older_one_as_it_was():
    before = filled(ChatContext(compactor=WindowCompactor(2)), "ab")
    after = before.add(CBlock("c"))
    assert shown(before.as_list()) == ["a", "b"]
    assert shown(after.as_list()) == ["b", "c"]


@pytest.mark.parametrize(
    ("predicate", "expected"), [(pin_nothing, 0), (pin_system, 2), (pin_system_and_initial_user, 3)]
)
def test_pin_predicates_count_from_the_beginning(predicate, expected):
    spans = [SYSTEM, SYSTEM, Message("user", "q"), ModelOutputThunk("a"), SYSTEM]
    assert predicate(spans) == expected
    assert predicate([]) == 0


def test_window_of_nothing_keeps_what_is_pinned():
    ctx = filled(ChatContext().add(SYSTEM), "ab")
    assert shown(WindowCompactor(size=0).compact(ctx).as_list()) == ["be kind"]
    with pytest.raises(UsageError, match="no -1 spans"):
        WindowCompactor(size=-1)


async def with_output(ctx, tokens):
    class Reporting(ScriptedBackend):
        async def stream_chat(self, request):
            yield Chunk(text="answer", usage=Usage(tokens, 0))

    thunk, ctx = await Reporting().generate_from_context(CBlock("q"), ctx)
    await thunk.avalue()
    return ctx


@pytest.mark.parametrize(("tokens", "threshold", "length"), [(100, 99, 2), (100, 100, 4), (100, 0, 4)])
async def test_threshold_compactor_works_above_its_threshold(tokens, threshold, length):
    ctx = await with_output(filled(ChatContext(), "ab"), tokens)
    compactor = ThresholdCompactor(WindowCompactor(1), threshold=threshold)
    assert len(compactor.compact(ctx).as_list()) == length
    assert len((await compactor.acompact(ctx)).as_list()) == length


def test_threshold_compactor_does_nothing_without_an_output():
    ctx = filled(ChatContext(), "ab")
    assert ThresholdCompactor(WindowCompactor(1), threshold=1).compact(ctx) is ctx


async def test_summary_replaces_the_older_part():
    backend = ScriptedBackend(["they said a, b and c"])
    ctx = filled(ChatContext().add(SYSTEM), "abcde")
    compacted = await LLMSummarizeCompactor(keep_n=2, pin_predicate=pin_system).acompact(ctx, backend=backend)
    assert shown(compacted.as_list()) == [
        "be kind",
        "Summary of the conversation so far:\nthey said a, b and c",
        "d",
        "e",
    ]
    assert "user: a\nuser: b\nuser: c" in backend.requests[0].messages[0].content


async def test_summary_goes_on_in_a_session_and_is_kept():
    backend = ScriptedBackend(["one", "summary", "two"])
    async with MelleaSession(backend, ChatContext(compactor=LLMSummarizeCompactor(keep_n=0))) as m:
        await m.achat("first")
        await m.achat("second")
        assert shown(m.ctx.as_list()) == ["Summary of the conversation so far:\nsummary", "second", "two"]


def test_summary_works_for_synchronous_callers():
    compactor = LLMSummarizeCompactor(default_backend=ScriptedBackend("short"), keep_n=1)
    assert len(compactor.compact(filled(ChatContext(), "abc")).as_list()) == 2


async def test_summary_that_fails_warns_and_keeps_the_conversation():
    ctx = filled(ChatContext(), "abcdef")
    with pytest.warns(UserWarning, match="was not summarised, and stays as it is: down"):
        same = await LLMSummarizeCompactor(keep_n=2).acompact(
            ctx, backend=ScriptedBackend([ServerError("down")])
        )
    assert same is ctx


async def test_summary_prompt_may_contain_braces():
    backend = ScriptedBackend("s")
    compactor = LLMSummarizeCompactor(keep_n=0, prompt_template='Like {"a": 1}: {conversation}')
    await compactor.acompact(filled(ChatContext(), ["{x}", "y"]), backend=backend)
    assert backend.requests[0].messages[0].content == 'Like {"a": 1}: user: {x}\nuser: y'


@pytest.mark.parametrize("settings", [{"prompt_template": "nothing"}, {"keep_n": -1}])
def test_wrong_summary_settings_are_refused(settings):
    with pytest.raises(UsageError):
        LLMSummarizeCompactor(**settings)


async def test_summary_without_a_backend_is_refused():
    with pytest.raises(UsageError, match="No backend"):
        await LLMSummarizeCompactor().acompact(ChatContext())


async def test_compactor_that_blocks_does_not_block_the_loop():
    gate, entered = Gate(), Gate()

    class Blocking:
        def compact(self, ctx, *, backend=None):
            entered.open()
            gate.wait()
            return ctx.rebuilt(ctx.as_list()[-1:])

    async with MelleaSession(ScriptedBackend("x"), ChatContext(compactor=Blocking())) as m:
        m.ctx = filled(m.ctx, "abc")
        answer = asyncio.ensure_future(m.achat("hi"))
        await entered.passed()
        gate.open()
        await answer
        assert shown(m.ctx.as_list()) == ["c", "hi", "x"]


async def test_compactor_with_a_twin_is_awaited_on_the_loop():
    class Twin:
        def compact(self, ctx, *, backend=None):
            raise AssertionError

        async def acompact(self, ctx, *, backend=None):
            self.thread = threading.current_thread()
            return ctx

    compactor = Twin()
    async with MelleaSession(ScriptedBackend("x"), ChatContext(compactor=compactor)) as m:
        await m.achat("hi")
    assert compactor.thread is threading.current_thread()


async def test_inline_compactor_of_a_third_party_works_with_every_add():
    class Dedupe(InlineCompactor):
        def compact(self, ctx, *, backend=None):
            spans = list(dict.fromkeys(ctx.as_list()))
            return ctx if len(spans) == len(ctx.as_list()) else ctx.rebuilt(spans)

    assert shown(filled(ChatContext(compactor=Dedupe()), "abab").as_list()) == ["a", "b"]


def test_window_compactor_works_on_a_third_partys_context():
    class Plain(Context):
        def add(self, span):
            return self.from_previous(self, span)

        def view_for_generation(self):
            return self.as_list()

    compacted = WindowCompactor(2).compact(filled(Plain(), "abc"))
    assert (type(compacted), shown(compacted.as_list())) == (Plain, ["b", "c"])


async def test_cancelled_summary_stops_the_writer():
    backend = GatedBackend("a")
    summing = asyncio.ensure_future(
        LLMSummarizeCompactor(keep_n=0).acompact(filled(ChatContext(), "ab"), backend=backend)
    )
    await backend.reached.passed()
    summing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await summing
    assert backend.stopped.is_open()


def test_capability_of_counting_is_declared_as_data():
    assert Capability("token_count") is Capability.TOKEN_COUNT
