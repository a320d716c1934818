"""An agent on a server that speaks OpenAI's protocol, such as `llama-server`.

The answer is a typed value. The context, the backend and the event loop are the
program's own here, and the tools of one turn run side by side.
"""

import asyncio
from typing import Literal

from pydantic import BaseModel, Field

from mellea import ChatContext, MelleaSession, ModelOption, start_session
from mellea.core import Budget
from mellea.stdlib.frameworks import ToolCallEvent, ToolResultEvent
from mellea.stdlib.tools import ToolRunner, tool

OFFICES = {"Olivia": "Lisbon", "Kenji": "Osaka"}


class Office(BaseModel):
    """Where somebody works."""

    city: Literal["Lisbon", "Osaka"] = Field(description="The city.")


@tool
async def find_office(name: Literal["Olivia", "Kenji"]) -> str:
    """Tell in which city a colleague works.

    Args:
        name: The colleague.
    """
    await asyncio.sleep(0)  # stands for a question to another service
    return f"{name} works in {OFFICES[name]}."


async def look_up(m: MelleaSession, goal: str) -> Office:
    """Let an agent come to a goal, and tell what it does."""
    run = await m.astream_react(
        goal,
        tools=[find_office],
        format=Office,
        budget=Budget(attempts=6, seconds=300),
        runner=ToolRunner(rounds=1, timeout=10),
    )
    async for event in run:
        if isinstance(event, ToolCallEvent):
            print(f"{event.call.name}({dict(event.call.args)})")
        elif isinstance(event, ToolResultEvent):
            print(f"-> {event.message.content}")
    office: Office = run.output.parsed
    return office


async def main() -> None:
    async with start_session(
        "openai",
        model_id="smollm2",
        base_url="http://127.0.0.1:8080/v1",
        api_key="none",
        ctx=ChatContext(),
        model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 48},
    ) as m:
        print(await look_up(m, "In which city does Kenji work?"))
        print(f"{len(m.ctx.as_list())} spans are remembered")


asyncio.run(main())
