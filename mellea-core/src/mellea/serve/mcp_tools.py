"""Typed functions as tools of the Model Context Protocol: ``mellea mcp program.py``."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from mellea import __version__
from mellea.core.backend import Backend
from mellea.core.redaction import redacted
from mellea.serve.answers import as_json, as_text
from mellea.serve.failures import RequestError, failure_of
from mellea.serve.programs import TypedFunction

__all__ = ["mcp_server", "serve_http", "serve_stdio"]

_log = logging.getLogger("mellea.serve")


def mcp_server(functions: Sequence[TypedFunction], backend: Backend) -> Server[Any]:
    """Return a server whose tools are typed functions.

    A tool has the schema of the function's parameters, its docstring, and the schema of its value, which
    comes as ``result``. A failure is told in the result of the call, so that a model can read it.

    Args:
        functions: The functions.
        backend: What their sessions generate with; each call has one of its own.
    """
    by_name = {function.name: function for function in functions}

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(function) for function in functions])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        function = by_name.get(params.name)
        if function is None:
            return _failed(f"There is no tool {params.name!r}. There are: {', '.join(by_name)}.")
        try:
            value, _ = await function.call(params.arguments or {}, backend)
        except RequestError as error:
            return _failed(error.failure.message)
        except Exception as error:  # noqa: BLE001  whatever it is, the client is told
            _log.error("%s", redacted(f"{type(error).__name__}: {error}"), exc_info=error)
            return _failed(failure_of(error).message)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=as_text(value))],
            structured_content={"result": json.loads(as_json(value))},
        )

    return Server("mellea", version=__version__, on_list_tools=list_tools, on_call_tool=call_tool)


def _described(function: TypedFunction) -> types.Tool:
    return types.Tool(
        name=function.name,
        description=function.tool.description or None,
        input_schema=dict(function.tool.parameters),
        output_schema=dict(function.function.output_schema.json_schema),
    )


def _failed(why: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=why)], is_error=True)


async def serve_stdio(
    functions: Sequence[TypedFunction], backend: str | Backend | None = None, model: Any = None
) -> None:
    """Serve functions over standard input and output until the input ends.

    Args:
        functions: The functions.
        backend: What generates: an instance, or the name of an installed backend, which is closed at the end.
        model: The model of a backend that is named.

    Raises:
        MelleaError: The backend cannot be opened.
    """
    async with _opened(backend, model) as opened:
        server = mcp_server(functions, opened)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())


async def serve_http(
    functions: Sequence[TypedFunction],
    port: int,
    on_start: Callable[[int], None],
    backend: str | Backend | None = None,
    model: Any = None,
) -> int | None:
    """Serve functions over streamable HTTP, on this machine alone, until a signal comes, and return that.

    Args:
        functions: The functions.
        port: Where; 0 for any port that is free.
        on_start: Told the port.
        backend: As for ``serve_stdio``.
        model: As for ``serve_stdio``.

    Raises:
        MelleaError: The backend cannot be opened, or the port cannot be had.
    """
    from mellea.serve.running import listen, run  # noqa: PLC0415  uvicorn, which stdio does without

    async with _opened(backend, model) as opened:
        app = mcp_server(functions, opened).streamable_http_app(stateless_http=True, json_response=True)
        with listen("127.0.0.1", port) as listening:
            on_start(listening.getsockname()[1])
            return await run(app, listening)


@contextlib.asynccontextmanager
async def _opened(backend: str | Backend | None, model: Any) -> AsyncIterator[Backend]:
    from mellea.stdlib.session._open import open_backend  # noqa: PLC0415  it loads the plugins

    opened = open_backend(backend, None, model, None, {})
    try:
        await opened.ready()
        yield opened
    finally:
        if opened is not backend:
            await opened.aclose()
