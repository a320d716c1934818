"""Agents as programs of the 0.8 line use them."""

import asyncio

import pytest
from pydantic import BaseModel

from mellea import ChatContext, ModelOption, SimpleContext
from mellea.backends import tool
from mellea.core import (
    Backend,
    Capability,
    CBlock,
    Message,
    ModelOutputThunk,
    ModelToolCall,
    TemplateRepresentation,
)
from mellea.stdlib.components.react import (
    MELLEA_FINALIZER_TOOL,
    ReactInitiator,
    ReactThought,
    pin_react_initiator,
    react_summary_prompt,
)
from mellea.stdlib.context import LLMSummarizeCompactor
from mellea.stdlib.frameworks.react import react
from mellea.testing import Reply, ScriptedBackend


@tool
def search(query: str) -> str:
    """Search."""
    return f"found {query}"


@tool
def read(page: str) -> str:
    """Read."""
    return page


SEARCH = Reply(tool_calls=[("search", {"query": "cats"})])
ANSWER = Reply(tool_calls=[("final_answer", {"answer": "42"})])


def scripted(*script):
    return ScriptedBackend(list(script), capabilities=[Capability.TOOLS])


async def test_answer_is_the_value_and_the_context_has_the_goal_with_its_tools():
    backend, given = scripted(SEARCH, "Hm.", ANSWER), [search]

    output, ctx = await react(
        goal="Cats?",
        context=ChatContext(),
        backend=backend,
        tools=given,
        model_options={ModelOption.TOOLS: [read]},
    )

    assert (output.value, given) == ("42", [search])
    (initiator,) = (span for span in ctx.as_list() if isinstance(span, ReactInitiator))
    assert initiator.tools == [search, read]
    assert {made.name for made in backend.requests[0].tools} == {"search", "read", MELLEA_FINALIZER_TOOL}


def test_it_runs_in_a_loop_of_its_own():
    output, _ = asyncio.run(react("Cats?", ChatContext(), scripted(ANSWER), tools=None))

    assert str(output) == "42"


async def test_turns_that_are_spent_are_a_runtime_error():
    with pytest.raises(RuntimeError, match="in 2 turns"):
        await react("Cats?", ChatContext(), scripted("Hm.", "Hm."), tools=[search], loop_budget=2)


async def test_there_may_be_no_limit():
    output, _ = await react(
        "Cats?", ChatContext(), scripted(*[SEARCH] * 15, ANSWER), tools=[search], loop_budget=-1
    )

    assert output.value == "42"


@pytest.mark.parametrize(
    "wrong", [{"context": SimpleContext()}, {"loop_budget": 0}, {"loop_budget": -2}, {"loop_budget": "3"}]
)
async def test_what_makes_no_sense_is_an_assertion_error(wrong):
    with pytest.raises(AssertionError):
        await react(
            **{"goal": "Cats?", "context": ChatContext(), "backend": scripted(), "tools": None, **wrong}
        )


async def test_tools_are_required():
    with pytest.raises(TypeError):
        await react("Cats?", ChatContext(), scripted(ANSWER))


class OfOld(Backend):
    """A backend as programs of the 0.8 line write it."""

    def __init__(self):
        super().__init__()
        self.script = [
            ModelOutputThunk("", tool_calls=[ModelToolCall("search", search, {"query": "cats"})]),
            ModelOutputThunk("Hm."),
            ModelOutputThunk("", tool_calls=[ModelToolCall("final_answer", None, {"answer": "42"})]),
        ]

    async def _generate_from_context(self, action, ctx, *, format=None, model_options=None, tool_calls=False):
        thunk = self.script.pop(0)
        return thunk, ctx.add(action).add(thunk)


async def test_backend_of_old_is_asked():
    output, ctx = await react("Cats?", ChatContext(), OfOld(), tools=[search])

    assert output.value == "42"
    assert [type(span).__name__ for span in ctx.as_list()][::2] == [
        *("ReactInitiator", "ToolMessage", "ReactThought")
    ]


class Number(BaseModel):
    value: int


async def test_format_is_read_from_one_more_generation():
    output, _ = await react(
        "Cats?", ChatContext(), scripted(ANSWER, '{"value": 42}'), tools=None, format=Number
    )

    assert Number.model_validate_json(output.value) == Number(value=42)


class Counting:
    def __init__(self):
        self.backends = []

    def compact(self, ctx, *, backend=None):
        self.backends.append(backend)
        return ctx


async def test_compactor_works_after_every_turn_but_the_last():
    backend, compactor = scripted(SEARCH, SEARCH, ANSWER), Counting()

    await react("Cats?", ChatContext(), backend, tools=[search], compactor=compactor)

    assert compactor.backends == [backend, backend]


def test_parts_of_an_agent():
    initiator, thought = ReactInitiator("Cats {{x}}?", None), ReactThought()
    shown, word = initiator.format_for_llm(), thought.format_for_llm()

    assert isinstance(initiator.goal, CBlock)
    assert (initiator.tools, initiator.parts()) == ([], [initiator.goal])
    assert isinstance(shown, TemplateRepresentation)
    assert list(shown.tools) == [MELLEA_FINALIZER_TOOL] == ["final_answer"]
    assert {**shown.args} == {"goal": initiator.goal, "finalizer_tool_name": "final_answer"}
    assert shown.template_order == ["*", "ReactInitiator"]
    assert (thought.parts(), dict(word.args)) == ([], {})
    for part in (initiator, thought):
        assert part.parse(ModelOutputThunk("yes")) == "yes"
        assert part.parse(ModelOutputThunk("")) == part.parse(ModelOutputThunk(None)) == ""


def test_finalizer_wins_over_a_tool_of_its_name():
    own = tool(name="final_answer")(lambda answer: answer)
    with pytest.warns(UserWarning, match="final_answer"):
        assert ReactInitiator("Cats?", [own]).format_for_llm().tools["final_answer"] is not own


def test_initiator_is_pinned_with_what_stands_before_it():
    goal = ReactInitiator("Cats?", [])
    assert pin_react_initiator([Message("system", "x"), goal, Message("user", "y"), goal]) == 2
    assert pin_react_initiator([Message("user", "y")]) == 0


@pytest.mark.parametrize("goal", [None, "Cats?", "{conversation} {x} {"])
@pytest.mark.parametrize("tokens", [None, 200])
def test_prompt_for_a_summary(goal, tokens):
    prompt = react_summary_prompt(goal, tokens)

    assert prompt.count("{conversation}") == 1
    assert ("200" in prompt) == (tokens is not None)
    LLMSummarizeCompactor(default_backend=scripted("x"), prompt_template=prompt)
