"""Tools, resources and prompts of MCP servers.

A connection says where a server is, a client keeps it running, and a spec is one of its tools.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.stdlib.tools.mcp.client import MCPClient, discover_mcp_tools
    from mellea.stdlib.tools.mcp.connections import http_connection, sse_connection, stdio_connection
    from mellea.stdlib.tools.mcp.content import MCPPrompt, MCPResource
    from mellea.stdlib.tools.mcp.specs import MCPTool, MCPToolSpec

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MCPClient": "mellea.stdlib.tools.mcp.client",
        "MCPPrompt": "mellea.stdlib.tools.mcp.content",
        "MCPResource": "mellea.stdlib.tools.mcp.content",
        "MCPTool": "mellea.stdlib.tools.mcp.specs",
        "MCPToolSpec": "mellea.stdlib.tools.mcp.specs",
        "discover_mcp_tools": "mellea.stdlib.tools.mcp.client",
        "http_connection": "mellea.stdlib.tools.mcp.connections",
        "sse_connection": "mellea.stdlib.tools.mcp.connections",
        "stdio_connection": "mellea.stdlib.tools.mcp.connections",
    },
)

__all__ = [
    "MCPClient",
    "MCPPrompt",
    "MCPResource",
    "MCPTool",
    "MCPToolSpec",
    "discover_mcp_tools",
    "http_connection",
    "sse_connection",
    "stdio_connection",
]
