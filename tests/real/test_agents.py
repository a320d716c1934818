"""A model of 135 million parameters as an agent, in this process and behind a server."""

from typing import Literal

from pydantic import BaseModel

from mellea import MelleaSession, ModelOption
from mellea.core import Budget
from mellea.stdlib.frameworks import AnswerEvent, ToolCallEvent, ToolResultEvent
from mellea.stdlib.requirements import uses_tool
from mellea.stdlib.tools import ToolRunner, tool

STOCK = {"lamp": 12, "chair": 5, "table": 3}
GREEDY = {ModelOption.MAX_NEW_TOKENS: 48, ModelOption.TEMPERATURE: 0}


class Order(BaseModel):
    item: Literal["lamp", "chair", "table"]
    pieces: int


@tool
def count_stock(item: Literal["lamp", "chair", "table"]) -> str:
    """Count how many pieces of an item are in stock."""
    return f"There are {STOCK[item]} {item}s in stock."


def test_agent_looks_up_and_answers_with_what_it_found(session: MelleaSession):
    run = session.stream_react(
        "How many lamps are in stock?",
        tools=[count_stock],
        requirements=[uses_tool(count_stock)],
        budget=Budget(attempts=4),
        runner=ToolRunner(rounds=1),
        model_options=GREEDY,
    )

    events = list(run)

    assert [event.call.name for event in events if isinstance(event, ToolCallEvent)][:2] == [
        "count_stock",
        "final_answer",
    ]
    (told,) = (event.message.content for event in events if isinstance(event, ToolResultEvent))
    assert told == "There are 12 lamps in stock."
    assert "12" in str(run.output)
    assert run.output.met


def test_answer_of_an_agent_fits_its_format_whatever_the_model_draws(session: MelleaSession):
    run = session.stream_react(
        "Order what is running out.",
        tools=[count_stock],
        format=Order,
        budget=Budget(attempts=2),
        model_options={ModelOption.MAX_NEW_TOKENS: 60},
    )

    events = list(run)

    assert sum(isinstance(event, AnswerEvent) for event in events) == 1
    assert isinstance(run.output.parsed, Order)
    assert len(run.result.attempts) <= 2
