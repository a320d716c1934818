"""Defects that were measured in the reference implementation, each as a test of the right behaviour.

The numbers are those of section 16 of its inventory. Only those are here that no other test names.
"""

import asyncio
import threading
import types

import pytest

from mellea import ChatContext, MelleaSession, Message, SimpleContext, check, mify, req, simple_validate
from mellea.core import (
    Capability,
    CBlock,
    Component,
    ModelOption,
    ModelOutputThunk,
    ModelToolCall,
    RateLimitError,
    TemplateRepresentation,
)
from mellea.core.errors import UnknownPluginError
from mellea.core.templates import TemplateFormatter
from mellea.plugins import StrategyManifest, hookimpl
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import WindowCompactor
from mellea.stdlib.requirements import GroundednessRequirement, tool_arg_validator, uses_tool
from mellea.stdlib.requirements.python_tools import (
    ImportRestrictions,
    OutputSizeLimit,
    PythonExecutionReq,
    PythonSyntaxValid,
    python_code_generation_requirements,
)
from mellea.stdlib.sampling import RejectionSamplingStrategy, RepairTemplateStrategy
from mellea.stdlib.streaming import RetryEvent, stream
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend

YES = "Yes, it does."


def session(*answers, **kwargs):
    return MelleaSession(ScriptedBackend(answers, **kwargs), ChatContext())


def output(text, **kwargs):
    return ChatContext().add(CBlock("asked")).add(ModelOutputThunk(text, **kwargs))


# 16.1


async def test_output_that_failed_fails_every_later_reader_and_keeps_its_error():
    """B3: the second reader of the reference waits for ever."""
    thunk, _ = await ScriptedBackend([RateLimitError("slow down")]).generate_from_context(
        CBlock("x"), SimpleContext()
    )

    for _ in range(2):
        with pytest.raises(RateLimitError):
            await thunk.avalue()
    assert isinstance(thunk.error, RateLimitError)


def test_session_is_tried_out_offline():
    """B11: the reference has no test double that works in a session."""
    m = session("first", "second")

    assert m.instruct("Say something.").value == "first"
    assert m.chat("And now?").content == "second"
    assert m.last_prompt()[-1] == {"role": "user", "content": "And now?"}


def test_arguments_of_every_tool_call_reach_the_checks_as_they_are():
    """B13: the reference finds the first call only, and collapses the white space in its arguments."""
    calls = [ModelToolCall("add", None, {"text": "a  b\n c"}), ModelToolCall("add", None, {"text": "d"})]
    seen = []

    check_of_all = tool_arg_validator("look", "add", "text", lambda text: seen.append(text) or True)
    check_of_all.validation_fn(output("", tool_calls=calls))

    assert seen == ["a  b\n c", "d"]


class Recording(RejectionSamplingStrategy):
    """A strategy that a plugin brings along."""


def plugin(name):
    module = types.ModuleType("brings_a_strategy")

    @hookimpl
    def mellea_register_strategies(register):
        register(StrategyManifest(name=name, summary="", factory=f"{__name__}:Recording"))

    module.mellea_register_strategies = mellea_register_strategies
    return module


def test_plugin_of_one_session_is_unknown_to_the_others():
    """B14: the session scope of the reference is not enforced."""
    with_plugin = MelleaSession(ScriptedBackend("x"), plugins=[plugin("recording")])
    without = MelleaSession(ScriptedBackend("x"))

    assert with_plugin.instruct("Say.", strategy="recording").value == "x"
    with pytest.raises(UnknownPluginError):
        without.instruct("Say.", strategy="recording")


def test_one_plugin_serves_two_sessions():
    """B14: the same hook cannot be used by two sessions of the reference."""
    shared = plugin("recording")
    sessions = [MelleaSession(ScriptedBackend(text), plugins=[shared]) for text in "ab"]

    assert [m.instruct("Say.", strategy="recording").value for m in sessions] == ["a", "b"]


def test_guard_that_crashes_fails_closed():
    """B15: a guard of the reference that crashes lets everything pass."""

    def guard(ctx):
        raise RuntimeError("the guard is down")

    m = session("secret", "secret")

    result = m.instruct("Say.", requirements=[check("No secrets.", guard)], return_sampling_results=True)

    assert not result.success
    assert "the guard is down" in result.result_validations[0][1].reason


def test_clone_of_a_subclass_is_of_that_class():
    """B17."""

    class Mine(MelleaSession):
        extra = 0

    m = Mine(ScriptedBackend("x"))
    m.extra = 7

    twin = m.clone()

    assert type(twin) is Mine
    assert twin.extra == 7


async def test_first_piece_is_handed_on_while_the_second_is_not_there():
    """B18: the reference holds four pieces back."""
    backend = GatedBackend("first")
    thunk, _ = await backend.generate_from_context(
        CBlock("x"), SimpleContext(), model_options={ModelOption.STREAM: True}
    )
    pieces = aiter(thunk)

    first = await anext(pieces)

    assert (first, thunk.is_computed()) == ("first", False)
    backend.release.open()
    assert [piece async for piece in pieces] == ["end"]


def test_nested_synchronous_calls_make_no_thread_each():
    """B19: ten nested calls of the reference leave ten threads behind."""
    m = session(*["x"] * 24)
    nested = check("asks the model", lambda ctx: bool(m.clone().instruct("Is it right?").value))
    m.instruct("Say.", requirements=[nested])
    before = threading.active_count()

    for _ in range(10):
        m.instruct("Say.", requirements=[nested])

    assert threading.active_count() == before


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import math, os",
        "import os.path as p",
        "from os import system",
        "if True:\n    import subprocess",
        "__import__('os').system('ls')",
        "exec('import os')",
        "eval(\"__import__('os')\")",
        "print.__self__.__dict__['__import__']('os')",
        "().__class__.__base__.__subclasses__()",
    ],
)
async def test_what_is_not_allowed_is_refused_however_it_is_spelled(code):
    """B20: the deny-lists of the reference are passed by spelling things differently; ours is a list of what is allowed."""
    result = await ImportRestrictions(["math"]).validate(ScriptedBackend(), output(f"```python\n{code}\n```"))

    assert not result
    assert result.reason


@pytest.mark.parametrize("code", ["import math", "from math import sqrt", "import math\nprint(math.pi)"])
async def test_what_is_allowed_passes(code):
    """B20, the other side."""
    result = await ImportRestrictions(["math"]).validate(ScriptedBackend(), output(f"```python\n{code}\n```"))

    assert result


class Recipe(Component[str]):
    def format_for_llm(self):
        return TemplateRepresentation(self, {"dish": "soup"})

    def _parse(self, computed):
        return str(computed)


def test_template_is_read_and_compiled_once(tmp_path):
    """B22: the reference reads and parses it at every rendering."""
    (tmp_path / "prompts" / "default").mkdir(parents=True)
    file = tmp_path / "prompts" / "default" / "Recipe.jinja2"
    file.write_text("Cook {{ dish }}.")
    formatter = TemplateFormatter(template_path=tmp_path)
    formatter.print(Recipe())
    file.unlink()

    assert formatter.print(Recipe()) == "Cook soup."


# 16.2


async def test_output_under_way_anywhere_in_the_conversation_is_awaited():
    """S11: the reference awaits those of the action alone, and fails without a word for the others."""
    backend = GatedBackend(last="Paris")
    pending, after = await backend.generate_from_context(CBlock("Which city?"), ChatContext())
    second = ScriptedBackend("done")
    backend.release.open()

    thunk, _ = await second.generate_from_context(Instruction("Go on."), after)
    await thunk.avalue()

    assert [message.content for message in second.requests[0].messages] == ["Which city?", "Paris", "Go on."]
    assert str(pending) == "Paris"


def test_tools_of_the_caller_are_left_alone():
    """S13: the reference adds its own to the caller's list."""
    tools = [print]
    options = {ModelOption.TOOLS: tools}
    m = session("x", "y", capabilities=[Capability.TOOLS])

    m.instruct("Say.", requirements=[check("no", lambda ctx: False)], model_options=options, tool_calls=True)

    assert tools == [print]
    assert options == {ModelOption.TOOLS: tools}


def test_output_without_the_tool_call_asked_for_is_a_failed_attempt():
    """S13: the reference asserts."""
    m = session("I would rather talk.", capabilities=[Capability.TOOLS])

    result = m.instruct("Use it.", requirements=[uses_tool("final_answer")], strategy=RejectionSamplingStrategy(),
                        tool_calls=True, return_sampling_results=True)  # fmt: skip

    assert result.result_validations[0][1].reason == "the tool final_answer is not called"


def test_checks_read_several_tool_calls():
    """S14: a guard of the reference takes them for a mapping, and fails."""
    calls = [ModelToolCall("look", None, {}), ModelToolCall("add", None, {"n": 1})]

    assert uses_tool("look").validation_fn(output("", tool_calls=calls))
    assert uses_tool("add").validation_fn(output("", tool_calls=calls))
    assert not uses_tool("delete").validation_fn(output("", tool_calls=calls))


def test_output_without_tool_calls_is_checked_too():
    """S14."""
    assert not tool_arg_validator("n", None, "n", lambda n: True).validation_fn(output("text"))


async def test_conversation_is_compacted_without_blocking_the_loop():
    """S16: the reference blocks the running loop, with a thread and a loop more each time."""
    gate, entered = Gate(), Gate()

    class Blocking:
        def compact(self, ctx, *, backend=None):
            entered.open()
            gate.wait()
            return WindowCompactor(1).compact(ctx)

    m = MelleaSession(
        ScriptedBackend("x"),
        ChatContext(compactor=Blocking()).add(Message("user", "a")).add(Message("user", "b")),
    )
    answer = asyncio.ensure_future(m.achat("hi"))

    await entered.passed()
    gate.open()

    assert (await answer).content == "x"
    assert [str(span) for span in m.ctx.as_list()] == ["b", "hi", "x"]


async def test_stream_takes_options_and_a_format():
    """S17."""
    backend = ScriptedBackend('{"n": 1}')
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    streamed = await stream(
        CBlock("x"), backend, ChatContext(), format=schema, model_options={ModelOption.MAX_NEW_TOKENS: 9}
    )
    await streamed.acomplete()

    assert streamed.parsed == {"n": 1}
    assert backend.requests[0].options == {"max_new_tokens": 9}


async def test_stream_whose_end_fails_the_validation_is_no_success():
    """S17: the reference reports success."""
    streamed = await stream(
        CBlock("x"),
        ScriptedBackend("all is written"),
        ChatContext(),
        requirements=[check("no", lambda ctx: False)],
    )

    await streamed.acomplete()

    assert not streamed.success
    assert streamed.completed_normally
    assert [result.result for result in streamed.final_validations] == [False]


async def test_stream_that_begins_again_says_so():
    """S17: the event for it is never sent by the reference."""
    short = check("Short.", simple_validate(lambda text: (len(text) < 6, "too long")))
    streamed = await stream(
        CBlock("x"),
        ScriptedBackend(["much too long", "ok"]),
        ChatContext(),
        requirements=[short],
        loop_budget=2,
    )

    events = [event async for event in streamed.events()]

    assert [event.attempt for event in events if isinstance(event, RetryEvent)] == [1]
    assert (streamed.success, streamed.full_text) == (True, "ok")


def test_classes_of_one_name_have_templates_of_their_own(tmp_path):
    """S18: the reference keeps templates by the bare name of the class."""
    first = type(
        "Dish", (Recipe,), {"format_for_llm": lambda self: TemplateRepresentation(self, {}, template="first")}
    )
    second = type(
        "Dish",
        (Recipe,),
        {"format_for_llm": lambda self: TemplateRepresentation(self, {}, template_order=["Other"])},
    )
    (tmp_path / "prompts" / "default").mkdir(parents=True)
    (tmp_path / "prompts" / "default" / "Other.jinja2").write_text("second")
    formatter = TemplateFormatter(template_path=tmp_path)

    assert [formatter.print(first()), formatter.print(second()), formatter.print(first())] == [
        "first",
        "second",
        "first",
    ]


async def test_execution_that_was_not_asked_for_is_said_to_be_none():
    """S27: the execution requirement of the reference does not say that it runs nothing."""
    result = await PythonExecutionReq().validate(
        ScriptedBackend(), output("```python\nraise SystemExit(1)\n```")
    )

    assert result
    assert result.reason == "it parses; it was not run"


async def test_execution_runs_when_it_is_asked_for():
    """S27."""
    result = await PythonExecutionReq("local").validate(ScriptedBackend(), output("```python\n1 / 0\n```"))

    assert not result
    assert "ZeroDivisionError" in result.reason


def test_code_runs_once_for_all_requirements_on_it(tmp_path):
    """S27: the reference runs it once more for the size of what it prints."""
    log = tmp_path / "runs"
    code = f"```python\nwith open({str(log)!r}, 'a') as file:\n    file.write('run ')\nprint('done')\n```"
    m = session(code)

    result = m.instruct(
        "Write it.",
        requirements=python_code_generation_requirements(use_sandbox=True),
        return_sampling_results=True,
    )

    assert result.success
    assert log.read_text() == "run "


@pytest.mark.parametrize("wanted", [PythonSyntaxValid(), PythonExecutionReq(), OutputSizeLimit()], ids=repr)
async def test_requirements_on_code_stand_alone(wanted):
    """S27: those of the reference hand the code to each other through their reasons."""
    assert await wanted.validate(ScriptedBackend(), output("```python\nprint(1)\n```"))


# Where another test names it, but not this side of it


async def test_groundedness_can_pass_inside_the_loop():
    """B10: in the loops of the reference it never finds the documents."""
    backend = ScriptedBackend(["The sky is blue.", YES])
    message = Message("user", "What colour is the sky?", documents=[CBlock("The sky is blue.")])

    result = await RejectionSamplingStrategy().sample(
        message, ChatContext(), backend, [GroundednessRequirement()]
    )

    assert result.success
    assert "Documents:\nThe sky is blue." in backend.requests[1].messages[-1].content


def test_parsing_function_of_an_object_is_used():
    """S15."""

    class Store:
        def __str__(self):
            return "a store"

    assert session("7").transform(mify(Store(), parsing_func=int), "Count.") == 7


async def test_judges_of_a_repairing_loop_see_what_was_asked():
    """B10: with ``output=`` the reference drops the conversation."""
    backend = ScriptedBackend(["four", YES])

    await RepairTemplateStrategy().sample(
        Message("user", "Two and two?"), ChatContext(), backend, [req("It is right.")]
    )

    assert "Two and two?" in backend.requests[1].messages[-1].content
