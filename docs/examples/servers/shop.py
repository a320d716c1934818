"""A server of the Model Context Protocol: a shop's stock, and a note.

It speaks over its standard input and output when it is run.
"""

from typing import Literal

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("shop", log_level="WARNING")
STOCK = {"lamp": 12, "chair": 5, "table": 3}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def count_stock(item: Literal["lamp", "chair", "table"]) -> int:
    """Count how many pieces of an item are in stock."""
    return STOCK[item]


@server.resource("note://today")
def today() -> str:
    """Today's note."""
    return "The lamps are on sale."


@server.prompt()
def greeting(name: str) -> str:
    """Greet a customer."""
    return f"Greet {name} in one sentence."


if __name__ == "__main__":
    server.run("stdio")
