"""What tools cost: a round of them in latencies, schemas and checks by themselves.

The lowest of several rounds counts, but for the round of tools: where milliseconds are bound, or two programs
answer, the noise of the machine is all in the row.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from mcp import Client, StdioServerParameters
from openai import AsyncOpenAI

from benchmarks.measure import Plan, ainterleaved, atimed, interleaved, timed
from benchmarks.server import Server, running_server
from benchmarks.table import Row
from mellea import start_session
from mellea.stdlib.tools import MelleaTool, tool
from mellea.stdlib.tools.mcp import MCPClient, stdio_connection

__all__ = ["rows"]

_LATENCY = 100
_ASKED: list[Any] = [{"role": "user", "content": "Look."}]
_KINDS: list[Any] = [str, int, float, bool, list[str], Literal["a", "b"]]
_GIVEN: list[Any] = ["text", 1, 1.5, True, ["a", "b"], "b"]
_MANY = 30
_SHOP = str(Path(__file__).parents[1] / "docs" / "examples" / "servers" / "shop.py")


@tool
def first(text: str) -> str:
    """Look at a text."""
    return text


@tool
def second(text: str) -> str:
    """Look at a text again."""
    return text


@tool
async def third(text: str) -> str:
    """Look at a text once more."""
    return text


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    with running_server() as server:
        yield asyncio.run(_round(plan, server))
    yield asyncio.run(_call_of_a_server(plan))
    yield from _checks(plan)


async def _call_of_a_server(plan: Plan) -> Row:
    lamp = {"item": "lamp"}
    program = StdioServerParameters(command=sys.executable, args=[_SHOP])
    async with (
        MCPClient(stdio_connection(sys.executable, args=[_SHOP])) as client,
        Client(program) as official,
    ):
        ours, bare = await ainterleaved(
            plan.rounds(200),
            atimed(lambda: client.acall("count_stock", lamp), 5),
            atimed(lambda: official.call_tool("count_stock", lamp), 5),
            pick=min,
        )
    name = "a call of an MCP server, against the official client's"
    return Row(name, ours * 1e3, bare * 1e3, "ms", bound=1.5)


async def _round(plan: Plan, server: Server) -> Row:
    url = server.base_url(delay_ms=_LATENCY)
    async with (
        start_session("openai", model_id="m", base_url=url, api_key="k") as session,
        AsyncOpenAI(base_url=url, api_key="k") as sdk,
    ):
        ours, latency = await ainterleaved(
            plan.rounds(12),
            atimed(lambda: session.achat("Look.", tools=[first, second, third], tool_loop=True), 1),
            atimed(lambda: sdk.chat.completions.create(model="m", messages=_ASKED), 1),
        )
    name = "a round of three tools and its answer, against one bare call"
    return Row(name, ours * 1e3, latency * 1e3, "ms", bound=2.1)


def _function() -> Callable[..., Any]:
    """Return a new function of many parameters, each with its description."""
    names = [f"parameter_{place}" for place in range(_MANY)]
    scope: dict[str, Any] = {}
    exec(f"def function({', '.join(names)}): pass", scope)
    made: Callable[..., Any] = scope["function"]
    made.__annotations__ = {name: _KINDS[place % len(_KINDS)] for place, name in enumerate(names)}
    told = "\n".join(f"    {name}: What stands at this place." for name in names)
    made.__doc__ = f"Do something.\n\nArgs:\n{told}\n"
    return made


def _checks(plan: Plan) -> Iterator[Row]:
    made = MelleaTool.from_callable(_function())
    given = {name: _GIVEN[place % len(_GIVEN)] for place, name in enumerate(made.parameters["properties"])}
    made.arguments(given)

    def schema() -> float:
        function = _function()
        return timed(lambda: MelleaTool.from_callable(function).json_form(), 1)()

    built, again, checked = interleaved(
        plan.rounds(60),
        schema,
        timed(made.json_form, 100),
        timed(lambda: made.arguments(given), 100),
        pick=min,
    )
    name = f"the schema of a tool of {_MANY} parameters"
    yield Row(f"{name}, made", built * 1e3, 0.0, "ms", "difference", 2.0)
    yield Row(f"{name}, asked for again", again * 1e6, 0.0, "us", "difference", 10.0)
    yield Row(f"a check of {_MANY} arguments", checked * 1e6, 0.0, "us", "difference", 100.0)
