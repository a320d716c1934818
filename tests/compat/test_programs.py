"""Sessions, verbs, requirements, sampling, contexts and typed functions in programs of the 0.8 line."""

import asyncio
import inspect
import json
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from mellea import (
    CBlock,
    ChatContext,
    MelleaSession,
    Message,
    ModelOption,
    RejectionSamplingStrategy,
    SamplingResult,
    SimpleContext,
    check,
    generative,
    mfuncs,
    req,
    simple_validate,
    start_session,
)
from mellea.core import (
    Backend,
    ComputedModelOutputThunk,
    ContextTypeMismatchError,
    ModelOutputThunk,
    PartialValidationResult,
    Requirement,
    SamplingStrategy,
    TemplateRepresentation,
    ValidationResult,
    default_output_to_bool,
)
from mellea.stdlib.context import InlineCompactor, ThresholdCompactor, WindowCompactor
from mellea.stdlib.sampling import SOFAISamplingStrategy
from mellea.testing import ScriptedBackend


class Duck:
    """A backend that has nothing but the one method."""

    def __init__(self, answer="yes"):
        self.answer = answer

    async def generate_from_context(self, action, ctx, *, format=None, model_options=None, tool_calls=False):
        mot = ModelOutputThunk(self.answer)
        return mot, ctx.add(action).add(mot)


def answered(text="a", ctx=None):
    return (ctx or ChatContext()).add(CBlock("?")).add(ModelOutputThunk(text))


# Backends that are no subclass of ours


@generative
def shout(text: str) -> str:
    """Say it in capitals."""


@pytest.mark.parametrize(
    "program",
    [
        lambda m: m.instruct("x"),
        lambda m: m.chat("x"),
        lambda m: m.act(CBlock("x"), strategy=RejectionSamplingStrategy(), requirements=["Be kind."]),
        lambda m: m.instruct("x", requirements=["Be kind."]),
        lambda m: m.instruct("x", requirements=["Be kind."], strategy="best-of-n"),
        lambda m: m.query("some text", "why?"),
        lambda m: (m.chat("x"), m.validate("Be kind."))[1][0],
    ],
)
@pytest.mark.parametrize("ctx", [SimpleContext(), ChatContext(token_context_length_limit=100)])
def test_any_object_that_generates_is_a_backend(program, ctx):
    assert program(MelleaSession(Duck(), ctx))


STAND_INS = {
    "MagicMock": lambda: MagicMock(spec=Backend),
    "Mock": lambda: Mock(spec=Backend),
    "AsyncMock": lambda: AsyncMock(spec=Backend),
    "anything": MagicMock,
    "one method": lambda: Mock(spec=["generate_from_context"]),
}


@pytest.mark.parametrize("made", STAND_INS.values(), ids=STAND_INS)
def test_stand_in_of_a_test_is_a_backend(made):
    backend = made()
    backend.generate_from_context = AsyncMock(side_effect=Duck().generate_from_context)
    m = MelleaSession(backend, ChatContext())

    assert m.instruct("x", requirements=["Be kind."], strategy=RejectionSamplingStrategy()) == "yes"
    assert m.chat("x", model_options={ModelOption.TEMPERATURE: 0}).content == "yes"
    assert m.act(CBlock("x"), strategy=None).value == "yes"
    assert m.validate("Be kind.", output=ModelOutputThunk("t"))[0]
    assert SOFAISamplingStrategy(backend, backend).s2_solver_backend is backend
    m.close()
    assert backend.generate_from_context.await_args.kwargs.keys() == {"format", "model_options", "tool_calls"}


def test_typed_function_on_any_object_that_generates():
    assert shout(MelleaSession(Duck('{"result": "HI"}')), text="hi") == "HI"


async def test_outputs_below_an_action_are_awaited():
    backend = ScriptedBackend("a")
    thunk, _ = await backend.generate_from_context(CBlock("x"), SimpleContext())
    await backend.do_generate_walks([thunk, CBlock("y")])
    await backend.do_generate_walk(thunk)
    assert thunk.is_computed()


# Sessions and verbs


async def test_streaming_program_prints_as_it_goes():
    m = MelleaSession(ScriptedBackend([["one ", "two ", "three"]]))
    out = await m.ainstruct("Count.", strategy=None, model_options={ModelOption.STREAM: True})
    assert not out.is_computed()
    pieces = []
    while not out.is_computed():
        pieces.append(await out.astream())
    assert "".join(pieces) == "one two three"


@pytest.mark.parametrize("verb", ["aact", "ainstruct"])
async def test_independent_calls_run_side_by_side(verb):
    backend = ScriptedBackend("x", latency=0.01)
    call = getattr(mfuncs, verb)
    thunks = [(await call(CBlock("x"), SimpleContext(), backend, strategy=None))[0] for _ in range(3)]
    assert not any(thunk.is_computed() for thunk in thunks)
    assert await asyncio.gather(*(thunk.avalue() for thunk in thunks)) == ["x"] * 3


async def test_default_strategy_waits():
    assert (await MelleaSession(ScriptedBackend("x")).ainstruct("x")).is_computed()


@pytest.mark.parametrize("owner", [MelleaSession, mfuncs])
def test_signatures_show_parameters_and_defaults(owner):
    for verb in ("act", "aact", "instruct", "ainstruct", "chat", "achat"):
        shown = inspect.signature(getattr(owner, verb)).parameters
        assert {"format", "model_options", "tool_calls"} <= shown.keys()
        assert shown["tool_calls"].default is False
    assert inspect.signature(owner.act).parameters["strategy"].default is None
    default = inspect.signature(owner.instruct).parameters["strategy"].default
    assert isinstance(default, RejectionSamplingStrategy)
    for verb in ("aact", "ainstruct", "aquery"):
        assert inspect.signature(getattr(owner, verb)).parameters["await_result"].default is False


def test_options_that_change_nothing_are_taken():
    backend = ScriptedBackend("x")
    m = MelleaSession(backend, allow_context_type_change=True)
    m.instruct("x", allow_context_type_change=True)
    mfuncs.act(CBlock("x"), SimpleContext(), backend, allow_context_type_change=True)
    asyncio.run(mfuncs.aact(CBlock("x"), SimpleContext(), backend, silence_context_type_warning=True))
    with start_session(backend, allow_context_type_change=False) as m:
        assert m.chat("x")
    assert issubclass(ContextTypeMismatchError, TypeError)


def test_powerup_gives_the_class_more_methods():
    class Own(MelleaSession):
        pass

    class Greets:
        def greet(self, name):
            return f"{name}: {self.instruct('Greet.')}"

    Own.powerup(Greets)
    assert Own(ScriptedBackend("hi")).greet("Ada") == "Ada: hi"
    assert not hasattr(MelleaSession, "greet")


def test_session_is_cleaned_up():
    m = MelleaSession(ScriptedBackend("x"))
    m.cleanup(exception=ValueError())
    with pytest.raises(RuntimeError, match="closed"):
        m.instruct("x")


def test_validation_logs_and_output_without_a_conversation():
    m = MelleaSession(ScriptedBackend("yes"))
    logs = []
    results = m.validate(
        ["Be kind.", check("free", lambda ctx: True)], output=CBlock("text"), generate_logs=logs
    )
    assert all(results)
    assert logs[0].model_output == "yes"
    assert logs[1] is None


def test_options_helpers_leave_their_arguments():
    given = {"a": 1, "b": 2, ModelOption.SEED: 3}
    assert ModelOption.replace_keys(given, {"a": "c"}) == {"b": 2, ModelOption.SEED: 3, "c": 1}
    assert ModelOption.remove_special_keys(given) == {"a": 1, "b": 2}
    assert ModelOption.merge_model_options(given, {"a": 4}) == {**given, "a": 4}
    assert ModelOption.merge_model_options(None, None) == {}
    assert given == {"a": 1, "b": 2, ModelOption.SEED: 3}


def test_renamed_option_that_is_there_already_stays(caplog):
    assert ModelOption.replace_keys({"a": 1, "c": 2}, {"a": "c"}) == {"c": 2}
    assert "'c' wins" in caplog.text


def test_template_arguments_of_both_sides_are_kept():
    below = {"extra_body": {"x": 1, "chat_template_kwargs": {"a": 1, "b": 1}}}
    above = {"extra_body": {"chat_template_kwargs": {"b": 2}}}
    merged = ModelOption.merge_model_options(below, above)
    assert merged["extra_body"] == {"x": 1, "chat_template_kwargs": {"a": 1, "b": 2}}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_reaches_the_caller(error):
    class Raises(Backend):
        async def _generate_from_context(self, *arguments, **options):
            raise error

    with pytest.raises(error):
        MelleaSession(Raises("x")).instruct("x")
    assert MelleaSession(ScriptedBackend("x")).instruct("x") == "x"


# Requirements


@pytest.mark.parametrize(
    ("verdict", "result", "reason"),
    [
        (True, True, None),
        (False, False, "static"),
        ((False, "own"), False, "own"),
        (ValidationResult(False, reason="r"), False, "r"),
    ],
)
def test_check_of_the_text_gives_a_result_at_once(verdict, result, reason):
    got = simple_validate(lambda text: verdict, reason="static")(answered())
    assert isinstance(got, ValidationResult)
    assert (got.as_bool(), got.reason) == (result, reason)


@pytest.mark.parametrize("verdict", [None, 3, "yes", (True, "a", "b"), ("x", "y")])
def test_check_that_gives_no_verdict_is_a_value_error(verdict):
    with pytest.raises(ValueError, match="instead of a verdict"):
        simple_validate(lambda text: verdict)(answered())


def test_partial_result_is_true_only_for_a_pass():
    assert [bool(PartialValidationResult(word)) for word in ("pass", "unknown", "fail")] == [
        True,
        False,
        False,
    ]
    assert PartialValidationResult("pass").as_bool()
    assert PartialValidationResult("pass", thunk=ModelOutputThunk("x"), context=SimpleContext()).thunk
    with pytest.raises(ValueError, match="success"):
        PartialValidationResult("maybe")


def test_result_of_a_judge_has_its_context_and_output():
    m = MelleaSession(ScriptedBackend("yes"), answered())
    [result] = m.validate("Be kind.")
    assert result.context.node_data is result.thunk
    assert "Be kind." in result.context.previous_node.node_data.content


@pytest.mark.parametrize("text", ["y", "Y", " y ", "yes", "Yes, it is."])
def test_lone_letter_is_a_yes(text):
    assert default_output_to_bool(text)
    assert not default_output_to_bool("n")


def test_reading_a_verdict_may_fail_and_is_told():
    def unreadable(text):
        raise LookupError("no verdict")

    m = MelleaSession(ScriptedBackend("hm"), answered())
    [result] = m.validate([Requirement("Be kind.", output_to_bool=unreadable)])
    assert not result
    assert isinstance(result.error, LookupError)


# Sampling


class OfSomebody(SamplingStrategy):
    """Takes no budget, and makes its result of lists."""

    async def sample(
        self, action, context, backend, requirements, *, validation_ctx=None, format=None,
        model_options=None, tool_calls=False,
    ):  # fmt: skip
        mot, ctx = await backend.generate_from_context(action, context)
        await mot.avalue()
        return SamplingResult(
            0, True, sample_generations=[mot], sample_validations=[[]], sample_actions=[action],
            sample_contexts=[ctx],
        )  # fmt: skip


def test_strategy_of_somebody_else():
    m = MelleaSession(ScriptedBackend("x"), ChatContext())
    result = m.instruct("x", strategy=OfSomebody(), return_sampling_results=True)
    assert (str(result), result.value, result.success, len(m.ctx.as_list())) == ("x", "x", True, 2)


def test_result_of_lists_alone():
    result = SamplingResult(
        result_index=-1, success=False, sample_generations=[ModelOutputThunk("a"), ModelOutputThunk("b")]
    )
    assert (str(result), result.success, result.result_index) == ("b", False, 1)
    assert len(result.sample_validations) == 2
    with pytest.raises(ValueError, match="no attempt"):
        SamplingResult(2, True, sample_generations=[ModelOutputThunk("a")])


def test_negative_index_counts_from_the_end():
    class Last(RejectionSamplingStrategy):
        @staticmethod
        def select_from_failure(sampled_actions, sampled_results, sampled_val):
            return -1

    m = MelleaSession(ScriptedBackend(["a", "b"]))
    never = check("never", lambda ctx: False)
    with pytest.warns(UserWarning, match="never"):
        assert m.instruct("x", strategy=Last(loop_budget=2), requirements=[never]) == "b"


@pytest.mark.parametrize("given", [None, [], [req("a")]])
def test_requirements_of_a_strategy_are_those_given(given):
    assert RejectionSamplingStrategy(requirements=given).requirements is given


def test_sofai_has_its_arguments_and_a_static_repair():
    first, second = ScriptedBackend("a"), ScriptedBackend("b")
    strategy = SOFAISamplingStrategy(
        first, second, "best_attempt", loop_budget=2, feedback_strategy="all_errors"
    )
    assert (strategy.s1_solver_backend, strategy.s2_solver_backend) == (first, second)
    assert (strategy.s2_solver_mode, strategy.loop_budget) == ("best_attempt", 2)
    assert (strategy.judge_backend, strategy.feedback_strategy) == (None, "all_errors")
    failed = [(req("one"), ValidationResult(False, reason="why")), (req("two"), ValidationResult(False))]
    ctx = ChatContext()
    message, after = SOFAISamplingStrategy.repair(
        SimpleContext(), ctx, [CBlock("x")], [ModelOutputThunk("a")], [failed]
    )
    assert isinstance(message, Message)
    assert after is ctx
    assert "- why\n- two" in message.content
    assert "- one" not in message.content
    for wrong in ((None, second), (first, "b"), (first, second, "fresh_start")):
        options = {"judge_backend": 3} if len(wrong) == 3 else {}
        with pytest.raises(TypeError):
            SOFAISamplingStrategy(*wrong, **options)


# Contexts


def test_window_works_on_every_add():
    ctx = ChatContext(window_size=3)
    for number in range(7):
        ctx = ctx.add(CBlock(str(number)))
    assert (
        [str(span) for span in ctx.as_list()] == ["4", "5", "6"] == list(map(str, ctx.view_for_generation()))
    )
    assert isinstance(ctx._compactor, WindowCompactor)


def test_compactors():
    ctx = ChatContext().add(Message("system", "s")).add(CBlock("a"))
    assert [str(span) for span in WindowCompactor(0).compact(ctx).as_list()] == ["s"]
    with pytest.raises(ValueError, match="-1"):
        WindowCompactor(-1)
    assert isinstance(ThresholdCompactor(WindowCompactor(2), threshold=3), InlineCompactor)


class Tagged(ChatContext):
    _propagated_fields = ("tag",)

    def __init__(self, tag, **options):
        super().__init__(**options)
        self.tag = tag


@pytest.mark.parametrize(
    "grown",
    [
        lambda ctx: ctx.add(CBlock("x")),
        lambda ctx: ctx.new_instance(),
        lambda ctx: ctx.add(CBlock("x")).add(CBlock("y")).add(CBlock("z")),
        lambda ctx: MelleaSession(ScriptedBackend("x"), ctx).ctx,
    ],
)
def test_context_with_fields_of_its_own_survives(grown):
    ctx = grown(Tagged("a", window_size=1))
    assert (type(ctx), ctx.tag, ctx.window_size) == (Tagged, "a", 1)


def test_context_with_fields_of_its_own_survives_repair_and_reset():
    m = MelleaSession(ScriptedBackend(["bad", "good"]), Tagged("a"))
    good = check("good", simple_validate(lambda text: text == "good"))
    m.instruct("x", strategy="multi-turn", requirements=[good])
    assert (m.ctx.tag, len(m.ctx.as_list())) == ("a", 4)
    m.reset()
    assert (m.ctx.tag, m.ctx.as_list()) == ("a", [])


def test_model_of_a_conversation():
    assert ChatContext(model_id="granite4.1:3b").add(CBlock("x")).model_id == "granite4.1:3b"
    m = MelleaSession(ScriptedBackend("x"), ChatContext())
    assert m.ctx.model_id == "script"
    m.chat("x")
    m.reset()
    assert m.ctx.model_id == "script"
    mine = ChatContext()
    m.ctx = mine
    assert m.ctx is mine
    assert m.clone().ctx.model_id is None
    assert MelleaSession(Duck(), answered()).ctx.model_id is None


# Typed functions


@generative
def grade(text: str, limit: int = 3) -> int:
    """Grade the text.

    From 1 to 5.
    """


def test_typed_function_is_a_component_before_it_is_called():
    shown = grade.format_for_llm()
    assert isinstance(shown, TemplateRepresentation)
    assert shown.args["function"]["name"] == "grade"
    assert shown.args["function"]["docstring"] == "Grade the text.\n\nFrom 1 to 5."
    assert "limit: int = 3" in shown.args["function"]["signature"]
    assert (shown.args["arguments"], shown.args["requirements"]) == (None, [])
    assert (shown.template_order[0], shown.template_order[-1]) == ("SyncGenerativeStub", "GenerativeStub")
    assert grade.parts() == []
    assert grade.parse(ModelOutputThunk(json.dumps({"result": 4}))) == 4


def test_function_and_its_arguments_in_words():
    from mellea.stdlib.components import genstub

    def greet(name: str, times: int = 2) -> list[str]:
        """Greet somebody."""

    bound = genstub.bind_function_arguments(greet, "Ada")
    arguments = [genstub.get_argument(greet, *item) for item in bound.items()]
    answers = genstub.create_response_format(greet)

    assert genstub.describe_function(greet) == {
        "name": "greet",
        "signature": "(name: str, times: int = 2) -> list[str]",
        "docstring": "Greet somebody.",
    }
    assert bound == {"name": "Ada", "times": 2}
    assert genstub.Arguments(arguments).value == '- name: "Ada" (type: str)\n- times: 2 (type: int)'
    assert genstub.Arguments([]).value == ""
    assert issubclass(answers, genstub.FunctionResponse)
    assert answers.__name__ == "GreetResponse"
    assert answers(result=["a"]).result == ["a"]
    with pytest.raises(TypeError):
        genstub.bind_function_arguments(greet)
    with pytest.raises(ValueError, match="result"):
        answers(result=3)


def test_computed_outputs_are_what_synchronous_verbs_give():
    assert type(MelleaSession(ScriptedBackend("x")).instruct("x")) is ComputedModelOutputThunk
