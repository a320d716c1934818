"""Tools of MCP servers, as the server tells of them and as the verbs take them."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from attrs import define, setters

from mellea.core.errors import ToolServerConnectionError, ToolServerError, ToolServerTimeoutError, UsageError
from mellea.core.schema_check import check_schema
from mellea.core.sources import Sources
from mellea.core.tool_arguments import check_by_schema, misfit_error
from mellea.stdlib.tools.mellea_tool import MelleaTool

__all__ = ["MCPTool", "MCPToolSpec"]

Call = Callable[[str, Mapping[str, Any]], Awaitable[str]]


@define(eq=False, slots=False, on_setattr=setters.frozen)
class MCPTool(MelleaTool):
    """A tool of an MCP server, made by the server's client."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Call the tool, and wait for its text; an error that the tool reports is one, too."""
        try:
            return super().run(*args, **kwargs)
        except (ToolServerConnectionError, ToolServerTimeoutError):
            raise
        except ToolServerError as error:
            return f"[tool error] {error.message}"


@define(eq=False)
class MCPToolSpec:
    """A tool as its server tells of it. Name and description may be changed before a tool is made of it.

    Args:
        name: What the model is to call it.
        description: What it does, in words.
        input_schema: The JSON schema of its arguments, as the server gave it.
        side_effects: Whether a call may change something or tell somebody something: unless the server says
            that it only reads, and only what is its own. It may be changed, too.
        server: What the server is called.
        call: Calls a tool of the server, by the server's name for it.
        called: That name.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    side_effects: bool
    server: str
    call: Call
    called: str

    @classmethod
    def of(cls, tool: Any, server: str, prefix: str, call: Call) -> Self:
        """Return the spec for an entry of a server's list."""
        hints = tool.annotations
        reads = hints is not None and hints.read_only_hint is True and hints.open_world_hint is not True
        named = f"{prefix}{tool.name}"
        return cls(named, tool.description or "", tool.input_schema, not reads, server, call, tool.name)

    def as_mellea_tool(self) -> MCPTool:
        """Return the tool; it takes arguments by name, and leaves out those that are None and not required.

        Raises:
            UsageError: The name is no name of a tool, or the server's schema is no JSON schema.
        """
        check_schema(self.input_schema)
        needed = self.input_schema.get("required", ())
        send, called = self.call, self.called

        async def call(**arguments: Any) -> str:
            given = {name: value for name, value in arguments.items() if value is not None or name in needed}
            return await send(called, given)

        described = {"name": self.name, "description": self.description, "parameters": self.input_schema}
        return MCPTool(
            self.name,
            call,
            {"type": "function", "function": described},
            check=functools.partial(_check, self.name, self.input_schema),
            side_effects=self.side_effects,
            origin=Sources.of("mcp", self.server),
        )


def _check(name: str, schema: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return check_by_schema(name, schema, given)
    except (
        UsageError
    ) as error:  # a schema that leads nowhere is its server's fault, and the model's call fails
        raise misfit_error(name, error.message) from error
