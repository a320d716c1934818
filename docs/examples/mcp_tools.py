"""A model of 135 million parameters calls a tool of an MCP server.

The server is a program of its own, which is started once and kept for the session.
"""

import sys
from pathlib import Path

from mellea import ChatContext, ModelOption, start_session
from mellea.core import ToolMessage
from mellea.stdlib.requirements import uses_tool
from mellea.stdlib.tools import ToolRunner
from mellea.stdlib.tools.mcp import MCPClient, stdio_connection

program = Path(__file__).with_name("servers") / "shop.py"
shop = stdio_connection(sys.executable, args=[str(program)], timeout=30)

with start_session(
    "hf",
    ctx=ChatContext(),
    model_options={
        ModelOption.TEMPERATURE: 0,
        ModelOption.MAX_NEW_TOKENS: 48,
        ModelOption.TOOL_LOOP: ToolRunner(rounds=1),
    },
) as m:
    client = m.keep(MCPClient(shop, name="shop"))
    tools = client.tools()
    print(f"The server has: {', '.join(tool.name for tool in tools)}")

    answer = m.instruct(
        "How many lamps are in stock?", tools=tools, requirements=[uses_tool(tools[0])]
    )
    for span in m.ctx.as_list():
        if isinstance(span, ToolMessage):
            print(f"{span.name}({dict(span.arguments)}) -> {span.content}")
    print(f"Answer: {answer}")
    print(f"A note: {client.read_resource('note://today')}")
