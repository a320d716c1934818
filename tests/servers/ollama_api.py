"""The endpoints of Ollama's protocol: field names, statuses and the order of things as there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tests.servers.ollama_names import full_name
from tests.servers.ollama_send import Part, now, only, send, send_whole
from tests.servers.ollama_upstream import RejectedError, Runner

if TYPE_CHECKING:
    from tests.servers.ollama import Fault, OllamaServer

__all__ = ["application"]

THINKING_PIECES = 4
"""Pieces at the start of a thinking model's answer that count as its reasoning."""
DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "134.52M",
    "quantization_level": "Q4_1",
}
SIZE = 97_901_056
Shape = Callable[[str, str], Part]
"""The fields of an endpoint's line that carry text and reasoning."""


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
    return app


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except RejectedError as error:
        return web.json_response({"error": str(error)}, status=error.status, headers=error.headers)


class _Api:
    def __init__(self, server: OllamaServer) -> None:
        self._server = server
        self._loaded: dict[str, datetime] = {}

    async def session(self, app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            self._runner = Runner(self._server.llama, session)
            yield

    async def root(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="Ollama is running")

    async def version(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": "0.30.0"})

    async def tags(self, request: web.Request) -> web.StreamResponse:
        self._server.record("/api/tags", {})
        models = [{**_entry(name), "modified_at": now()} for name in self._server.models]
        return await send_whole(request, only({"models": models}), self._fault(request.path))

    async def ps(self, request: web.Request) -> web.StreamResponse:
        window = self._server.llama.context_window
        running = [
            {**_entry(name), "size_vram": 0, "expires_at": expires.isoformat(), "context_length": window}
            for name, expires in self._loaded.items()
        ]
        return web.json_response({"models": running})

    async def show(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        capabilities = self._capabilities(str(body.get("model") or body.get("name") or ""))
        info = {
            "general.architecture": "llama",
            "general.parameter_count": 134515008,
            "llama.context_length": 8192,
        }
        answer = {
            "license": "Apache-2.0",
            "modelfile": "",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": DETAILS,
        }
        return web.json_response(
            {**answer, "model_info": info, "capabilities": capabilities, "modified_at": now()}
        )

    async def pull(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        name = str(body.get("model") or body.get("name") or "")
        fault = self._fault(request.path)
        lines = _pulling(name) if self._server.pull(name) else _not_pullable()
        return await send(request, body, lines, fault)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        fault, capabilities = self._checked(request, body)
        if not body.get("messages") or (fault and fault.kind == "load"):
            return web.json_response(
                {**_head(body), **_chat_fields("", ""), "done": True, "done_reason": "load"}
            )
        options = body.get("options") or {}
        prompt = await self._runner.chat_prompt(
            body["messages"], options, truncate=body.get("truncate", True)
        )
        thinking = "thinking" in capabilities and body.get("think") is not False
        parts = self._parts(body, prompt, _chat_fields, thinking=thinking)
        return await send(request, body, parts, fault)

    async def generate(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        fault, capabilities = self._checked(request, body)
        text, options, truncate = (
            body.get("prompt") or "",
            body.get("options") or {},
            body.get("truncate", True),
        )
        if not text or (fault and fault.kind == "load"):
            return web.json_response({**_head(body), "response": "", "done": True, "done_reason": "load"})
        if body.get("raw"):
            prompt = await self._runner.raw_prompt(text, options, truncate=truncate)
        else:
            system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
            prompt = await self._runner.chat_prompt(
                [*system, {"role": "user", "content": text}], options, truncate=truncate
            )
        thinking = "thinking" in capabilities and body.get("think") is not False
        parts = self._parts(body, prompt, _generate_fields, thinking=thinking)
        return await send(request, body, parts, fault)

    # Shared by the endpoints

    async def _body(self, request: web.Request) -> dict[str, Any]:
        try:
            body: dict[str, Any] = await request.json()
        except json.JSONDecodeError as error:
            raise RejectedError(400, str(error)) from error
        self._server.record(request.path, body)
        return body

    def _checked(self, request: web.Request, body: Mapping[str, Any]) -> tuple[Fault | None, tuple[str, ...]]:
        """Return the fault due and what the model can do, after the checks that precede every generation."""
        fault = self._fault(request.path)
        capabilities = self._capabilities(str(body.get("model", "")))
        if body.get("think") not in (None, False) and "thinking" not in capabilities:
            raise RejectedError(400, f'"{body["model"]}" does not support thinking')
        self._loaded[full_name(body["model"])] = datetime.now(UTC) + timedelta(minutes=5)
        return fault, capabilities

    def _fault(self, path: str) -> Fault | None:
        fault = self._server.take_fault(path)
        if fault and fault.kind == "status":
            raise RejectedError(fault.status, fault.message, fault.headers)
        return fault

    def _capabilities(self, name: str) -> tuple[str, ...]:
        if not name:
            raise RejectedError(400, "model is required")
        capabilities = self._server.capabilities_of(name)
        if capabilities is None:
            raise RejectedError(404, f"model '{name}' not found")
        return capabilities

    async def _parts(
        self, body: Mapping[str, Any], prompt: list[int], shape: Shape, *, thinking: bool
    ) -> AsyncIterator[Part]:
        """Iterate over the lines of an answer."""
        started, count = time.perf_counter_ns(), 0
        async with aclosing(
            self._runner.pieces(prompt, body.get("options") or {}, body.get("format"))
        ) as pieces:
            async for piece in pieces:
                thought = thinking and count < THINKING_PIECES
                count += 1
                fields = shape("", piece.text) if thought else shape(piece.text, "")
                if piece.done_reason is None:
                    yield {**_head(body), **fields, "done": False}
                    continue
                spent = time.perf_counter_ns() - started
                durations = {
                    "total_duration": spent,
                    "load_duration": 1,
                    "prompt_eval_duration": 1,
                    "eval_duration": spent,
                }
                counts = {"prompt_eval_count": piece.prompt_tokens, "eval_count": piece.tokens}
                yield {
                    **_head(body),
                    **fields,
                    "done": True,
                    "done_reason": piece.done_reason,
                    **durations,
                    **counts,
                }


def _head(body: Mapping[str, Any]) -> Part:
    return {"model": body["model"], "created_at": now()}


def _chat_fields(text: str, thought: str) -> Part:
    return {"message": {"role": "assistant", "content": text, **({"thinking": thought} if thought else {})}}


def _generate_fields(text: str, thought: str) -> Part:
    return {"response": text, **({"thinking": thought} if thought else {})}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _entry(name: str) -> Part:
    return {"name": name, "model": name, "size": SIZE, "digest": _digest(name), "details": DETAILS}


async def _pulling(name: str) -> AsyncIterator[Part]:
    digest = _digest(name)
    layer = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": SIZE}
    yield {"status": "pulling manifest"}
    yield layer
    for quarter in range(1, 5):
        yield {**layer, "completed": SIZE * quarter // 4}
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    yield {"status": "success"}


async def _not_pullable() -> AsyncIterator[Part]:
    yield {"status": "pulling manifest"}
    yield {"error": "pull model manifest: file does not exist"}
