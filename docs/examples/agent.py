"""An agent on the embedded model: it looks a number up and answers, and is checked.

A model of 135 million parameters is held to a schema in every turn: one of the tools
with arguments that fit, or the answer. What happens is told as it happens.
"""

import re
from typing import Literal

from mellea import ChatContext, ModelOption, check, start_session
from mellea.core import Budget, BudgetError, Context, ToolMessage
from mellea.stdlib.frameworks import ToolCallEvent, ToolResultEvent, VerdictsEvent
from mellea.stdlib.requirements import uses_tool
from mellea.stdlib.tools import ToolRunner, tool

STOCK = {"lamp": 12, "chair": 5, "table": 3}


@tool
def count_stock(item: Literal["lamp", "chair", "table"]) -> str:
    """Count how many pieces of an item are in stock."""
    return f"There are {STOCK[item]} {item}s in stock."


def is_what_was_counted(ctx: Context) -> bool:
    """Tell whether the answer has the number that the tool gave."""
    told = [span.content for span in ctx.as_list() if isinstance(span, ToolMessage)]
    return re.findall(r"\d+", str(ctx.last_output())) == re.findall(r"\d+", told[0])


with start_session(
    "hf",
    ctx=ChatContext(),
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 48},
) as m:
    run = m.stream_react(
        "How many lamps are in stock?",
        tools=[count_stock],
        requirements=[
            uses_tool(count_stock),
            check("It is the number that was counted.", is_what_was_counted),
        ],
        budget=Budget(attempts=4),
        runner=ToolRunner(rounds=1),
    )
    for event in run:
        match event:
            case ToolCallEvent():
                print(f"{event.turn}. {event.call.name}({dict(event.call.args)})")
            case ToolResultEvent():
                print(f"   -> {event.message.content}")
            case VerdictsEvent():
                print(f"   accepted: {event.accepted}")
    print(f"Answer: {run.output}")

    m.reset()
    try:
        m.react(
            "How many chairs are in stock?",
            tools=[count_stock],
            budget=Budget(tokens=10),
            model_options={ModelOption.TOOL_CHOICE: count_stock.name},
        )
    except BudgetError as error:
        print(error.message)
        print(f"The session is as it was: {m.ctx.as_list() == []}")
