"""A model of 135 million parameters calls tools with arguments that fit, every time."""

import sys
from typing import Literal

import pytest

from mellea import MelleaSession, ModelOption
from mellea.core import ToolMessage
from mellea.stdlib.requirements import tool_arg_validator, uses_tool
from mellea.stdlib.tools import ToolRunner, tool
from mellea.stdlib.tools.mcp import MCPClient, stdio_connection
from tests.docs.pages import EXAMPLES

ROOM = {ModelOption.MAX_NEW_TOKENS: 100}
SHOP = stdio_connection(sys.executable, args=[str(EXAMPLES / "servers" / "shop.py")])
looked = []


@tool
def weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Tell the weather of a city.

    Args:
        city: The city's name.
    """
    looked.append(city)
    return f"It is sunny in {city}, 22 degrees {unit}."


@tool
def book_table(restaurant: str, people: int) -> str:
    """Book a table in a restaurant."""
    return f"A table for {people} is booked at {restaurant}."


@tool
def tag_note(note: str, tags: list[str]) -> str:
    """Tag a note."""
    return f"{note}: {', '.join(tags)}"


TOOLS = [weather, book_table, tag_note]
ASKED = ["What is the weather in Rome?", "Book a table for four at Luigi.", "Tag the note 'milk' with food."]


@pytest.mark.parametrize("asked", ASKED)
def test_call_fits_its_tool(session: MelleaSession, asked: str):
    options = {**ROOM, ModelOption.TOOL_CHOICE: "required", ModelOption.SEED: 1}

    output = session.act(asked, tools=TOOLS, tool_loop=False, model_options=options)

    (call,) = output.tool_calls
    assert call.problem is None
    assert call.func.arguments(call.args)
    assert call.call_func()


def test_tool_of_a_real_server_is_called(llama: MelleaSession):
    client = llama.keep(MCPClient(SHOP))

    llama.chat(
        "How many lamps are there?", tools=client.tools(), tool_loop=ToolRunner(rounds=1), model_options=ROOM
    )

    told = [span for span in llama.ctx.as_list() if isinstance(span, ToolMessage)]
    assert told
    assert {span.content for span in told} <= {"12", "5", "3"}


def test_rounds_of_tools_come_to_an_answer(session: MelleaSession):
    looked.clear()

    answer = session.chat(
        "What is the weather in Paris?", tools=[weather], tool_loop=ToolRunner(rounds=1), model_options=ROOM
    )

    assert looked
    assert answer.content.strip()
    assert any(isinstance(span, ToolMessage) for span in session.ctx.as_list())


def test_requirements_on_calls_are_repaired(session: MelleaSession):
    output = session.instruct(
        "What is the weather in Paris?",
        tools=[weather],
        tool_loop=ToolRunner(rounds=1),
        requirements=[
            uses_tool(weather),
            tool_arg_validator("It is about Paris.", weather, "city", lambda city: "Paris" in city),
        ],
        model_options=ROOM,
    )

    assert output.met
