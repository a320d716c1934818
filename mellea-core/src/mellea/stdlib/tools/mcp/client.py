"""A client of one MCP server, which keeps it running between calls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import finalize

from mellea.core.call_site import warn_caller
from mellea.core.errors import ClosedError, ToolServerError, ToolServerTimeoutError, UsageError
from mellea.core.event_loop import Closeable, loop_apart, synchronous
from mellea.core.message import Message
from mellea.stdlib.tools.mcp.connections import check_connection, title_of
from mellea.stdlib.tools.mcp.content import MCPPrompt, MCPResource, as_message, contents_of, result_text
from mellea.stdlib.tools.mcp.specs import MCPTool, MCPToolSpec

if TYPE_CHECKING:
    from mcp import Client

    from mellea.stdlib.tools.mcp._life import Life

__all__ = ["MCPClient", "discover_mcp_tools"]

T = TypeVar("T")
_PAGES = 100
"""How many pages of a list are asked for; a server may say for ever that there is another."""
_of_parents: list[Any] = []
"""In a forked child: servers of the parent's, not to be finalised here."""


class _Keeper:
    """Keeps one server, on the servers' loop: started once, and again when it has ended."""

    def __init__(self, name: str, connection: Mapping[str, Any]) -> None:
        self.name, self.connection = name, connection
        self.closed = False
        self._current: Life | None = None
        self._pid = os.getpid()

    async def life(self) -> Life:
        """Return the server's life once it is started or has failed to; a new one if it has ended."""
        self.check_open()
        from mellea.stdlib.tools.mcp._life import Life  # noqa: PLC0415  a second, for programs with servers

        if self._pid != os.getpid():
            _of_parents.append(self._current)
            self._current, self._pid = None, os.getpid()
        if self._current is None or self._current.over:
            self._current = Life(self.name, self.connection, self._current)
        current = self._current
        await current.settled.wait()
        return current

    async def end(self) -> None:
        if self._current is not None and self._pid == os.getpid():
            await self._current.end()

    def check_open(self) -> None:
        if self.closed:
            raise ClosedError(f"The client of MCP server {self.name!r} is closed.", hint="Make another one.")

    def drop(self) -> None:
        """Let the server end when nobody holds its client any more; in any thread."""
        current = self._current
        if current is not None and self._pid == os.getpid() and not current.task.get_loop().is_closed():
            current.task.get_loop().call_soon_threadsafe(current.leave)


class MCPClient(Closeable):
    """A client of one MCP server.

    The server is started at the first call and kept for all that follow, from whichever task, thread or loop
    they come. If it dies, the calls under way fail and the next one starts it again. Use the client as a
    context manager, synchronous or asynchronous; it may be closed from anywhere.

    Args:
        connection: Where the server is: see ``stdio_connection`` and ``http_connection``.
        name: What it is called in messages; by default after its program or host.
        prefix: What the names of its tools begin with, so that they differ from another server's.

    Raises:
        UsageError: The connection says of no server where it is.
        ImportError: The package ``mcp`` is not installed.
    """

    def __init__(self, connection: Mapping[str, Any], *, name: str | None = None, prefix: str = "") -> None:
        check_connection(connection)
        if find_spec("mcp") is None:
            raise ImportError('mcp is not installed. Install it with: pip install "mellea-core[mcp]"')
        self.name = name or title_of(connection)
        self.prefix = prefix
        self._limits = (connection.get("connect_timeout", 30.0), connection.get("read_timeout", 300.0))
        self._keeper = _Keeper(self.name, dict(connection))
        finalize(self, self._keeper.drop).atexit = False

    async def aspecs(self) -> list[MCPToolSpec]:
        """Return what the server tells of its tools.

        Raises:
            ToolServerError: The server cannot be started or reached, or does not answer as it should.
            ClosedError: The client is closed.
        """
        listed = await self._ask(lambda client: _whole(client, "tools"), "the question for its tools")
        return [MCPToolSpec.of(tool, self.name, self.prefix, self.acall) for tool in listed]

    async def atools(self) -> list[MCPTool]:
        """Return the server's tools, for ``tools=...`` of the verbs.

        One that cannot be used, because its name is none or its schema is no JSON schema, is left out with a
        warning.

        Raises:
            ToolServerError: The server cannot be started or reached, or does not answer as it should.
            ClosedError: The client is closed.
        """
        tools = []
        for spec in await self.aspecs():
            try:
                tools.append(spec.as_mellea_tool())
            except UsageError as error:
                left_out = f"Tool {spec.name!r} of MCP server {self.name!r} is left out: {error.message}"
                warn_caller(UserWarning(left_out))
        return tools

    async def acall(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Call a tool by the name that the server gives it, and return its result as text.

        Args:
            tool: The tool's name.
            arguments: Its arguments; they are sent as they are.

        Raises:
            ToolServerConnectionError: The server cannot be started or reached, or went away during the call.
            ToolServerTimeoutError: The server took too long.
            ToolServerError: The tool reports an error, or its result is not what the server had announced.
            ClosedError: The client is closed.
        """
        given = dict(arguments)
        result = await self._ask(lambda client: client.call_tool(tool, given), f"a call of {tool!r}")
        text = result_text(result)
        if result.is_error:
            raise ToolServerError(text or f"The tool {tool!r} reports an error without words.")
        return text

    async def aresources(self) -> list[MCPResource]:
        """Return what the server has to read: addresses, and templates of addresses.

        Raises:
            ToolServerError: The server cannot be started or reached, or does not answer as it should.
        """
        plain = await self._ask(lambda client: _whole(client, "resources"), "the question for its resources")
        shaped = await self._ask(
            lambda client: _whole(client, "resource_templates"), "the question for its templates"
        )
        return [MCPResource.of(entry) for entry in (*plain, *shaped)]

    async def aread_resource(self, uri: str) -> str | bytes:
        """Return what is at an address of the server's: text, or the bytes of what is none.

        Args:
            uri: The address.

        Raises:
            ToolServerError: There is nothing, or the server cannot be asked.
        """
        result = await self._ask(lambda client: client.read_resource(uri), f"the reading of {uri!r}")
        return contents_of(result.contents)

    async def aprompts(self) -> list[MCPPrompt]:
        """Return the prompts that the server has.

        Raises:
            ToolServerError: The server cannot be started or reached, or does not answer as it should.
        """
        listed = await self._ask(lambda client: _whole(client, "prompts"), "the question for its prompts")
        return [MCPPrompt.of(entry) for entry in listed]

    async def aget_prompt(self, name: str, /, **arguments: str) -> list[Message]:
        """Return a prompt of the server's as messages.

        Args:
            name: The prompt's name.
            arguments: What it is filled with.

        Raises:
            ToolServerError: There is no such prompt, or the server cannot be asked.
        """
        result = await self._ask(lambda client: client.get_prompt(name, arguments), f"the prompt {name!r}")
        return [as_message(message, self.name) for message in result.messages]

    async def aclose(self) -> None:
        """End the server, within ten seconds. Calls under way fail; closing again does nothing."""
        if not self._keeper.closed:
            self._keeper.closed = True
            self._keeper.drop()
            with suppress(_LateError):
                await _wait(self._keeper.end(), 10.0)

    specs = synchronous(aspecs)
    tools = synchronous(atools)
    call = synchronous(acall)
    resources = synchronous(aresources)
    read_resource = synchronous(aread_resource)
    prompts = synchronous(aprompts)
    get_prompt = synchronous(aget_prompt)

    async def _ask(self, work: Callable[[Client], Awaitable[T]], doing: str) -> T:
        from mellea.stdlib.tools.mcp._life import UnheardError  # noqa: PLC0415

        try:
            return await self._asked(work, doing)
        except UnheardError:
            return await self._asked(work, doing)

    async def _asked(self, work: Callable[[Client], Awaitable[T]], doing: str) -> T:
        """Carry out a request on the servers' loop, and wait for it here, no longer than the limits."""
        starting, answering = self._limits
        try:
            life = await _wait(self._keeper.life(), starting)
        except _LateError:
            raise self._late("was not ready", "connect_timeout") from None
        try:
            return await _wait(life.carry_out(work, doing), answering)
        except _LateError:
            raise self._late(f"did not answer {doing}", "read_timeout") from None
        except ToolServerError:
            self._keeper.check_open()
            raise

    def _late(self, what: str, limit: str) -> ToolServerTimeoutError:
        seconds = self._limits[limit == "read_timeout"]
        return ToolServerTimeoutError(
            f"MCP server {self.name!r} {what} within {seconds:g} s.",
            hint=f"Raise the connection's {limit}, or look what the server does.",
        )


class _LateError(Exception):
    pass


async def _wait(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return what a coroutine returns on the servers' loop; it is cancelled with its caller, or when late."""
    future = asyncio.run_coroutine_threadsafe(coroutine, loop_apart("mcp"))
    try:
        async with asyncio.timeout(seconds) as clock:
            return await asyncio.wrap_future(future)
    except TimeoutError:
        if clock.expired():
            raise _LateError from None
        raise


async def _whole(client: Client, what: str) -> list[Any]:
    """Return all pages of a list; nothing where the server has no such thing."""
    kind = "resources" if what == "resource_templates" else what
    if getattr(client.server_capabilities, kind) is None:
        return []
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await getattr(client, f"list_{what}")(cursor=cursor)
        found += getattr(page, what)
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise ToolServerError(f"The list of {what} has no end: {_PAGES} pages were read, and nothing was taken.")


async def discover_mcp_tools(connection: Mapping[str, Any]) -> list[MCPToolSpec]:
    """Return what a server tells of its tools.

    The server is kept as long as one of the specs, or a tool made of one, is held. A ``MCPClient`` says when
    it ends.

    Args:
        connection: Where the server is.

    Raises:
        UsageError: The connection says of no server where it is.
        ToolServerError: The server cannot be started or reached, or does not answer as it should.
        ImportError: The package ``mcp`` is not installed.
    """
    return await MCPClient(connection).aspecs()
