"""Rounds of tools on the embedded model: it calls, the call is carried out, it answers.

A model of 135 million parameters is held to the tools' schemas, so every call fits.
Requirements look at the call, and `approve` at what may be done.
"""

from typing import Literal

from mellea import ChatContext, ModelOption, start_session
from mellea.core import ModelToolCall, ToolMessage
from mellea.stdlib.requirements import tool_arg_validator, uses_tool
from mellea.stdlib.tools import ToolRunner, tool

STOCK = {"lamp": 12, "chair": 5, "table": 3}


@tool
def count_stock(item: Literal["lamp", "chair", "table"]) -> int:
    """Count how many pieces of an item are in stock.

    Args:
        item: The item.
    """
    return STOCK[item]


@tool(side_effects=True)
def order(item: Literal["lamp", "chair", "table"], pieces: int) -> str:
    """Order more pieces of an item."""
    STOCK[item] += pieces
    return f"{pieces} ordered"


def approve(call: ModelToolCall) -> bool | str:
    """Let the model look, and not buy."""
    return call.name == count_stock.name or "nothing may be ordered today"


with start_session(
    "hf",
    ctx=ChatContext(),
    model_options={
        ModelOption.TEMPERATURE: 0,
        ModelOption.MAX_NEW_TOKENS: 48,
        ModelOption.TOOL_LOOP: ToolRunner(rounds=1, approve=approve),
    },
) as m:
    answer = m.instruct(
        "How many lamps are in stock?",
        tools=[count_stock],
        requirements=[
            uses_tool(count_stock),
            tool_arg_validator(
                "It counts lamps.", count_stock, "item", lambda item: item == "lamp"
            ),
        ],
    )
    for span in m.ctx.as_list():
        if isinstance(span, ToolMessage):
            print(f"{span.name}({dict(span.arguments)}) -> {span.content}")
    print(f"Answer: {answer}")

    m.reset()
    forced = {ModelOption.TOOL_CHOICE: "order"}
    m.chat("Order 20 chairs.", tools=[order], tool_loop=True, model_options=forced)
    told = next(span for span in m.ctx.as_list() if isinstance(span, ToolMessage))
    print(f"{told.content}; there are still {STOCK['chair']} chairs")
