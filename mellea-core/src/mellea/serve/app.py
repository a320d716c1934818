"""The application: what is served at which address, and who may ask."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.terminal import visible
from mellea.serve.access import Access
from mellea.serve.chat import Chat
from mellea.serve.failures import Failure
from mellea.serve.limits import Gate, Limits
from mellea.serve.metrics import CONTENT_TYPE, Metrics
from mellea.serve.programs import Served, served
from mellea.serve.replies import Receive, Reply, Scope, Send

__all__ = ["App"]

_log = logging.getLogger("mellea.serve")


class App:
    """An ASGI application that serves programs as models of chat completions.

    It serves ``/v1/chat/completions``, ``/v1/models``, ``/health``, ``/ready`` and ``/metrics``.

    Args:
        programs: Typed functions, and functions ``serve(input, requirements, model_options)``. Of several the
            client's ``model`` names one; a single one answers under any name.
        backend: What sessions of typed functions generate with: an instance, or the name of an installed
            backend. By default ``MELLEA_BACKEND``, else ``ollama``. One that is named is closed at the end.
        model: The model of a backend that is named.
        limits: What is allowed.
        access: Who may ask; by default whoever reaches it under a name of this machine.

    Raises:
        UsageError: There is nothing to serve, two have one name, or something cannot be served.
    """

    def __init__(
        self,
        *programs: Any,
        backend: str | Backend | None = None,
        model: Any = None,
        limits: Limits | None = None,
        access: Access | None = None,
    ) -> None:
        self.programs: Mapping[str, Served] = {one.name: one for one in map(served, programs)}
        if len(self.programs) < len(programs) or not programs:
            raise UsageError(
                "Two programs have one name." if programs else "There is no program to serve.",
                hint="Serve functions of different names.",
            )
        self.limits = limits or Limits()
        self.access = access or Access.on("localhost", None)
        self._given, self._model = backend, model
        self.backend: Backend | None = backend if isinstance(backend, Backend) else None
        self._gate = Gate(self.limits)
        self._metrics = Metrics(self._gate)
        self._chat = Chat(self.programs, self.limits, self._gate, self._metrics)
        self._created = int(time.time())
        self._opened = False
        self._router = self._routes()

    @property
    def running(self) -> int:
        """How many requests run or wait."""
        return self._gate.running + self._gate.waiting

    async def open(self) -> None:
        """Open the backend, if a program needs one, and wait until it is ready.

        Raises:
            MelleaError: It cannot be opened.
        """
        if self._opened:
            return
        if any(program.needs_backend for program in self.programs.values()):
            if self.backend is None:
                from mellea.stdlib.session._open import open_backend  # noqa: PLC0415  only where one is named

                self.backend = open_backend(self._given, None, self._model, None, {})
            await self.backend.ready()
        self._chat.backend = self.backend
        self._opened = True

    def stop(self) -> None:
        """Take no more requests, and end those that run, streams included, when the grace is over."""
        self._chat.stop()

    async def aclose(self) -> None:
        """Close the backend that was opened here."""
        backend, self.backend = self.backend, None
        self._opened = False
        if backend is not None and backend is not self._given:
            await backend.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI says."""
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            refusal = self.access.refusal(scope["path"], headers)
            if refusal is not None:
                _log.info("%s %s %d", scope["method"], visible(scope["path"][:100]), refusal.status)
                more = {"www-authenticate": "Bearer"} if refusal.status == 401 else {}
                await Reply(send).whole(refusal.status, refusal.body, {**refusal.headers, **more})
                return
            await self.open()
        await self._router(scope, receive, send)

    def _routes(self) -> Starlette:
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._list_models),
            Route("/v1/models/{name:path}", self._show_model),
            Route("/health", self._health),
            Route("/ready", self._ready),
            Route("/metrics", self._show_metrics),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: _refuse})

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.open()
        try:
            yield
        finally:
            await self.aclose()

    async def _list_models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._described(name) for name in self.programs]})

    async def _show_model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.programs:
            return _response(self._chat.unknown(name))
        return JSONResponse(self._described(name))

    def _described(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "mellea"}

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        if self._chat.stopping or not self._opened:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ready"})

    async def _show_metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)


_NOT_BUILT = "There is no {path} here. Use /v1/chat/completions."


async def _refuse(request: Request, error: Exception) -> Response:
    """Tell in OpenAI's shape that there is no such address, or that it takes no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101  nothing else is handed over
    if error.status_code == 404:
        path = visible(request.url.path[:100])
        return _response(Failure(404, _NOT_BUILT.format(path=path), "unknown_url"))
    return _response(Failure(error.status_code, str(error.detail), "method_not_allowed"), error.headers)


def _response(failure: Failure, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(failure.body, failure.status, {**failure.headers, **(headers or {})})
