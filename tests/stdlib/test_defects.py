"""Ways in which a framework of this kind goes wrong in the field, each as a test of the right behaviour.

Most take several modules to get right; what one module must do stands in its own tests.
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
    Policy,
    RateLimitError,
    RequirementsNotMetWarning,
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


# Outputs, sessions, plugins, code


async def test_output_that_failed_fails_every_later_reader_and_keeps_its_error():
    """A second reader must not wait for an end that has come and gone."""
    thunk, _ = await ScriptedBackend([RateLimitError("slow down")]).generate_from_context(
        CBlock("x"), SimpleContext()
    )

    for _ in range(2):
        with pytest.raises(RateLimitError):
            await thunk.avalue()
    assert isinstance(thunk.error, RateLimitError)


def test_session_is_tried_out_offline():
    """A program is tested in a real session, without a model and without patches."""
    m = session("first", "second")

    assert m.instruct("Say something.").value == "first"
    assert m.chat("And now?").content == "second"
    assert m.last_prompt()[-1] == {"role": "user", "content": "And now?"}


def test_arguments_of_every_tool_call_reach_the_checks_as_they_are():
    """Not those of the first call alone, and with their white space."""
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
    """What a session brings along is not registered for the process."""
    with_plugin = MelleaSession(ScriptedBackend("x"), plugins=[plugin("recording")])
    without = MelleaSession(ScriptedBackend("x"))

    assert with_plugin.instruct("Say.", strategy="recording").value == "x"
    with pytest.raises(UnknownPluginError):
        without.instruct("Say.", strategy="recording")


def test_one_plugin_serves_two_sessions():
    """Registering the same hooks twice is no error."""
    shared = plugin("recording")
    sessions = [MelleaSession(ScriptedBackend(text), plugins=[shared]) for text in "ab"]

    assert [m.instruct("Say.", strategy="recording").value for m in sessions] == ["a", "b"]


def test_guard_that_crashes_fails_closed():
    """A requirement that is there for safety must not let everything pass when it breaks."""

    def guard(ctx):
        raise RuntimeError("the guard is down")

    m = session("secret", "secret")

    result = m.instruct("Say.", requirements=[check("No secrets.", guard)], return_sampling_results=True)

    assert not result.success
    assert "the guard is down" in result.result_validations[0][1].reason


def test_clone_of_a_subclass_is_of_that_class():
    """A clone keeps the class and the attributes that a program gave its session."""

    class Mine(MelleaSession):
        extra = 0

    m = Mine(ScriptedBackend("x"))
    m.extra = 7

    twin = m.clone()

    assert type(twin) is Mine
    assert twin.extra == 7


async def test_first_piece_is_handed_on_while_the_second_is_not_there():
    """Nothing is held back to be checked in groups of pieces."""
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
    """The loops of nested calls are kept and used again, one for each level."""
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
    """A list of what is denied is passed by another spelling; so the list is of what is allowed."""
    result = await ImportRestrictions(["math"]).validate(ScriptedBackend(), output(f"```python\n{code}\n```"))

    assert not result
    assert result.reason


@pytest.mark.parametrize("code", ["import math", "from math import sqrt", "import math\nprint(math.pi)"])
async def test_what_is_allowed_passes(code):
    """The other side: an allowed import passes in each of its spellings."""
    result = await ImportRestrictions(["math"]).validate(ScriptedBackend(), output(f"```python\n{code}\n```"))

    assert result


class Recipe(Component[str]):
    def format_for_llm(self):
        return TemplateRepresentation(self, {"dish": "soup"})

    def _parse(self, computed):
        return str(computed)


def test_template_is_read_and_compiled_once(tmp_path):
    """Reading and parsing it at every rendering would be most of the cost of a call."""
    (tmp_path / "prompts" / "default").mkdir(parents=True)
    file = tmp_path / "prompts" / "default" / "Recipe.jinja2"
    file.write_text("Cook {{ dish }}.")
    formatter = TemplateFormatter(template_path=tmp_path)
    formatter.print(Recipe())
    file.unlink()

    assert formatter.print(Recipe()) == "Cook soup."


# Conversations, tools, streams


async def test_output_under_way_anywhere_in_the_conversation_is_awaited():
    """Not only where the action itself holds it."""
    backend = GatedBackend(last="Paris")
    pending, after = await backend.generate_from_context(CBlock("Which city?"), ChatContext())
    second = ScriptedBackend("done")
    backend.release.open()

    thunk, _ = await second.generate_from_context(Instruction("Go on."), after)
    await thunk.avalue()

    assert [message.content for message in second.requests[0].messages] == ["Which city?", "Paris", "Go on."]
    assert str(pending) == "Paris"


def test_tools_of_the_caller_are_left_alone():
    """Whatever a call adds for itself, it adds to a list of its own."""
    tools = [print]
    options = {ModelOption.TOOLS: tools}
    m = session("x", "y", capabilities=[Capability.TOOLS])

    never = [check("no", lambda ctx: False)]
    with pytest.warns(RequirementsNotMetWarning):
        m.instruct("Say.", requirements=never, model_options=options, tool_calls=True)

    assert tools == [print]
    assert options == {ModelOption.TOOLS: tools}


def test_output_without_the_tool_call_asked_for_is_a_failed_attempt():
    """A model that talks instead of calling is repaired like any other failure, and raises nothing."""
    m = session("I would rather talk.", capabilities=[Capability.TOOLS])

    result = m.instruct(
        "Use it.",
        requirements=[uses_tool("final_answer")],
        strategy=RejectionSamplingStrategy(),
        tool_calls=True,
        return_sampling_results=True,
    )

    assert result.result_validations[0][1].reason == "the tool final_answer is not called; no tool is called"


def test_checks_read_several_tool_calls():
    """Calls are a sequence, in which one function may be called twice; a mapping would lose one."""
    calls = [ModelToolCall("look", None, {}), ModelToolCall("add", None, {"n": 1})]

    assert uses_tool("look").validation_fn(output("", tool_calls=calls))
    assert uses_tool("add").validation_fn(output("", tool_calls=calls))
    assert not uses_tool("delete").validation_fn(output("", tool_calls=calls))


def test_output_without_tool_calls_is_checked_too():
    """An output that calls nothing does not meet a requirement on arguments."""
    assert not tool_arg_validator("n", None, "n", lambda n: True).validation_fn(output("text"))


async def test_conversation_is_compacted_without_blocking_the_loop():
    """A compactor may compute or wait for long; other tasks run meanwhile."""
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
    """A checked stream takes the options and the format that any other call takes."""
    backend = ScriptedBackend('{"n": 1}')
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    streamed = await stream(
        CBlock("x"), backend, ChatContext(), format=schema, model_options={ModelOption.MAX_NEW_TOKENS: 9}
    )
    await streamed.acomplete()

    assert streamed.parsed == {"n": 1}
    assert backend.requests[0].options == {"max_new_tokens": 9}


async def test_stream_whose_end_fails_the_validation_is_no_success():
    """Reading to the end is not the same as meeting the requirements."""
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
    """A reader is told by an event, since the text so far no longer counts."""
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
    """Templates are cached by class; the bare name would give one class the other's text."""
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
    """A requirement that only parses must not look as if the code had run."""
    result = await PythonExecutionReq().validate(
        ScriptedBackend(), output("```python\nraise SystemExit(1)\n```")
    )

    assert result
    assert result.reason == "It parses; on the static tier it is not run."


async def test_execution_runs_when_it_is_asked_for():
    """The code runs in a process of its own, and what it raises is the reason."""
    result = await PythonExecutionReq("local").validate(ScriptedBackend(), output("```python\n1 / 0\n```"))

    assert not result
    assert "ZeroDivisionError" in result.reason


def test_code_runs_once_for_all_requirements_on_it(tmp_path):
    """Code with effects must not run again for another requirement to measure what it prints."""
    log = tmp_path / "runs"
    code = f"```python\nwith open({str(log)!r}, 'a') as file:\n    file.write('run ')\nprint('done')\n```"
    m = session(code)

    result = m.instruct(
        "Write it.",
        requirements=python_code_generation_requirements(
            use_sandbox=True, policy=Policy(write=[tmp_path], seconds=20)
        ),
        return_sampling_results=True,
    )

    assert result.success
    assert log.read_text() == "run "


@pytest.mark.parametrize("wanted", [PythonSyntaxValid(), PythonExecutionReq(), OutputSizeLimit()], ids=repr)
async def test_requirements_on_code_stand_alone(wanted):
    """None of them needs another one to have run before it."""
    assert await wanted.validate(ScriptedBackend(), output("```python\nprint(1)\n```"))


# Another side of what the tests of one module show


async def test_groundedness_can_pass_inside_the_loop():
    """The judge is shown the documents of the message that was asked."""
    backend = ScriptedBackend(["The sky is blue.", YES])
    message = Message("user", "What colour is the sky?", documents=[CBlock("Its colour is blue.")])

    result = await RejectionSamplingStrategy().sample(
        message, ChatContext(), backend, [GroundednessRequirement()]
    )

    assert result.success
    assert "Documents:\nIts colour is blue." in backend.requests[1].messages[-1].content


def test_parsing_function_of_an_object_is_used():
    """The function given to mify reads the answer, through a session's verb too."""

    class Store:
        def __str__(self):
            return "a store"

    assert session("7").transform(mify(Store(), parsing_func=int), "Count.") == 7


async def test_judges_of_a_repairing_loop_see_what_was_asked():
    """The output alone does not tell a judge what the question was."""
    backend = ScriptedBackend(["four", YES])

    await RepairTemplateStrategy().sample(
        Message("user", "Two and two?"), ChatContext(), backend, [req("It is right.")]
    )

    assert "Two and two?" in backend.requests[1].messages[-1].content
