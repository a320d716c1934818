"""A real MCP server of the official package, with tools that behave, and some that do not.

Run it with ``stdio`` or ``liar``, or with ``http`` or ``old-http`` and a port::

    python -P tests/servers/mcp_server.py stdio
"""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("tests", log_level="CRITICAL")
calls = {"begun": 0, "cancelled": 0}
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f"
    "00050001ff56c72f0d0000000049454e44ae426082"
)


@server.tool(annotations=types.ToolAnnotations(read_only_hint=True))
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool(structured_output=False)
def say(text: str, times: int | None = None) -> str:
    """Repeat a text."""
    return " ".join([text] * (times or 1))


@server.tool()
def pid() -> int:
    """Tell the process."""
    return os.getpid()


@server.tool()
async def hang() -> str:
    """Never end."""
    calls["begun"] += 1
    try:
        await anyio.sleep_forever()
    finally:
        calls["cancelled"] += 1
    return ""


@server.tool()
def count(of: str) -> int:
    """Tell how many calls of ``hang`` have begun, or were cancelled."""
    return calls[of]


@server.tool()
def fail() -> str:
    """Fail."""
    raise ToolError("there is no such file")


@server.tool(structured_output=False)
def long(characters: int) -> str:
    """Return a long text."""
    return "x" * characters


@server.tool(structured_output=False)
def flood(megabytes: int) -> str:
    """Flood the error stream."""
    for _ in range(megabytes):
        sys.stderr.write("e" * (1 << 20))
    return "flooded"


@server.tool(structured_output=False)
def mixed() -> list[Any]:
    """Return content of several kinds."""
    return [
        "two words",
        Image(data=DOT, format="png"),
        types.ResourceLink(type="resource_link", name="link", uri="note://link"),
        types.EmbeddedResource(
            type="resource", resource=types.TextResourceContents(uri="note://text", text="held")
        ),
        types.EmbeddedResource(
            type="resource", resource=types.BlobResourceContents(uri="note://blob", blob="AAAA")
        ),
    ]


@server.resource("note://today", mime_type="text/plain")
def today() -> str:
    """Today's note."""
    return "Buy milk."


@server.resource("note://dot", mime_type="image/png")
def dot() -> bytes:
    """A picture."""
    return DOT


@server.resource("note://{day}")
def note(day: str) -> str:
    """The note of a day."""
    return f"Nothing on {day}."


@server.prompt()
def greet(name: str, tone: str = "kind") -> str:
    """Greet somebody."""
    return f"Write a {tone} greeting to {name}."


class Lying(MCPServer):
    """It announces tools that it has not, schemas that are none, and results that do not fit."""

    async def list_tools(self) -> list[types.Tool]:
        number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        plain: dict[str, Any] = {"type": "object"}
        return [
            types.Tool(name="shapeless", input_schema=plain, output_schema=number),
            types.Tool(name="no schema", input_schema=plain),
            types.Tool(name="wrong", input_schema={"type": "object", "properties": {"n": {"type": "numbr"}}}),
            types.Tool(
                name="astray", input_schema={"type": "object", "properties": {"n": {"$ref": "#/gone"}}}
            ),
            types.Tool(name="absent", input_schema=plain),
            types.Tool(name="fine", input_schema=plain),
        ]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Any = None
    ) -> types.CallToolResult:
        if name == "absent":
            raise MCPError(types.CONNECTION_CLOSED, "there is no such tool")
        text = types.TextContent(type="text", text="fine")
        wrong = {"n": "many"} if name == "shapeless" else None
        return types.CallToolResult(content=[text], structured_content=wrong)


class Old:
    """A server of the protocol before the one without sessions."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if (b"mcp-method", b"server/discover") in scope.get("headers", ()):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body"})
        else:
            await self.app(scope, receive, send)


if __name__ == "__main__":
    if sys.argv[1] == "old-http":
        uvicorn.run(Old(server.streamable_http_app()), port=int(sys.argv[2]), log_level="critical")
    elif sys.argv[1] == "http":
        server.run("streamable-http", port=int(sys.argv[2]), json_response=True)
    else:
        (Lying("liar", log_level="CRITICAL") if sys.argv[1] == "liar" else server).run("stdio")
