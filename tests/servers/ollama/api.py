"""The endpoints of Ollama's protocol.

Field names, statuses and the order of things as its server has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tests.servers.ollama import embedding, openai_routes, pulling
from tests.servers.ollama.answers import Answers
from tests.servers.ollama.errors import RejectedError
from tests.servers.ollama.models import listed, running, shown
from tests.servers.ollama.names import full_name
from tests.servers.ollama.requests import model_name, read_body
from tests.servers.ollama.runner import Runner
from tests.servers.ollama.sending import only, send, send_whole

if TYPE_CHECKING:
    from tests.servers.ollama import OllamaServer

__all__ = ["application"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(server: OllamaServer) -> web.Application:
    """Return the application that serves a server's models."""
    api = _Api(server)
    app = web.Application(client_max_size=64 * 2**20, middlewares=[_errors])
    app.cleanup_ctx.append(api.session)
    app.router.add_get("/", api.root)
    app.router.add_get("/api/version", api.version)
    app.router.add_get("/api/tags", api.tags)
    app.router.add_get("/api/ps", api.ps)
    app.router.add_post("/api/show", api.show)
    app.router.add_post("/api/pull", api.pull)
    app.router.add_post("/api/chat", api.chat)
    app.router.add_post("/api/generate", api.generate)
    app.router.add_post("/api/embed", api.embed)
    openai_routes.add_routes(app, server, lambda: api.answers)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RejectedError as error:
        form = openai_routes.error if request.path.startswith("/v1/") else _error
        return web.json_response(form(str(error), error.status), status=error.status, headers=error.headers)
    except web.HTTPException as error:
        words = {404: "page not found", 405: "method not allowed"}
        return web.Response(
            text=f"{error.status} {words.get(error.status, error.reason.lower())}", status=error.status
        )


def _error(message: str, status: int) -> dict[str, Any]:
    return {"error": message}


class _Api:
    def __init__(self, server: OllamaServer) -> None:
        self._server = server

    async def session(self, app: web.Application) -> AsyncIterator[None]:
        # llama-server closes a connection when a stream has ended, and a request on it may be on its way
        # already.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            self.answers = Answers(self._server, Runner(self._server.llama, session))
            yield

    async def root(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="Ollama is running")

    async def version(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": "0.30.0"})

    async def tags(self, request: web.Request) -> web.StreamResponse:
        self._server.record("/api/tags", {})
        models = [listed(name, can) for name, can in self._server.models.items()]
        return await send_whole(request, only({"models": models}), self._server.take_fault(request.path))

    async def ps(self, request: web.Request) -> web.StreamResponse:
        models = [running(name, loaded) for name, loaded in self._server.loaded.items()]
        return web.json_response({"models": models})

    async def show(self, request: web.Request) -> web.StreamResponse:
        name = model_name(await self._body(request))
        capabilities = self._server.capabilities_of(name)
        if capabilities is None:
            raise RejectedError(404, f"model '{full_name(name)}' not found")
        return web.json_response(shown(name, capabilities))

    async def pull(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        name = model_name(body)
        fault = self._server.take_fault(request.path)
        parts = pulling.parts(name) if self._server.pull(name) else pulling.refused()
        return await send(request, parts, fault, stream=_streams(body))

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        fault = self._server.take_fault(request.path)
        if not body.get("messages") or (fault and fault.kind == "load"):
            return web.json_response(self.answers.loaded_for_chat(body))
        return await send(request, await self.answers.chat(body), fault, stream=_streams(body))

    async def generate(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        fault = self._server.take_fault(request.path)
        if not body.get("prompt") or (fault and fault.kind == "load"):
            return web.json_response(self.answers.loaded_for_generate(body))
        return await send(request, await self.answers.generate(body), fault, stream=_streams(body))

    async def embed(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        fault = self._server.take_fault(request.path)
        return await send_whole(request, only(await embedding.embedded(self.answers, body)), fault)

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body = await read_body(request)
        self._server.record(request.path, body)
        return body


def _streams(body: Mapping[str, Any]) -> bool:
    return body.get("stream") is not False
