"""llama-server as the runner behind the Ollama protocol: from options and a prompt to pieces of text."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
from attrs import frozen

from tests.servers.llama import LlamaServer

__all__ = ["Piece", "RejectedError", "Runner"]

TOO_LONG = "the input length exceeds the context length"
DEFAULTS = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.0,
    "repeat_penalty": 1.1,
    "num_predict": -1,
}
"""Ollama's own defaults, where they differ from llama-server's."""
RENAMED = {"num_predict": "n_predict"}
NOT_SAMPLING = {"num_ctx", "num_keep", "num_batch", "num_gpu", "num_thread"}


class RejectedError(Exception):
    """The request ends with an HTTP status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@frozen
class Piece:
    """A piece of text; the last one says why it ended and what it took."""

    text: str = ""
    done_reason: str | None = None
    prompt_tokens: int = 0
    tokens: int = 0


class Runner:
    """Generates with llama-server.

    Args:
        llama: The server, which tells how it computed.
        session: Carries the requests.
    """

    def __init__(self, llama: LlamaServer, session: aiohttp.ClientSession) -> None:
        self._llama = llama
        self._session = session
        self._grammars: dict[str, str] = {}

    async def chat_prompt(
        self, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any], *, truncate: bool
    ) -> list[int]:
        """Return the tokens of a conversation, without its oldest messages if it may be truncated."""
        kept = [{"role": message["role"], "content": message.get("content") or ""} for message in messages]
        while True:
            templated = await self._post("/apply-template", {"messages": kept})
            tokens = await self._tokens(templated["prompt"])
            if len(tokens) < self._window(options):
                return tokens
            if not truncate:
                raise RejectedError(400, TOO_LONG)
            if len(kept) == 1:
                return tokens[-self._window(options) // 2 :]
            kept.pop(1 if kept[0]["role"] == "system" else 0)

    async def raw_prompt(self, text: str, options: Mapping[str, Any], *, truncate: bool) -> list[int]:
        """Return the tokens of a text, the last ones if it is too long and may be truncated."""
        tokens, window = await self._tokens(text), self._window(options)
        if len(tokens) >= window and not truncate:
            raise RejectedError(400, TOO_LONG)
        return tokens if len(tokens) < window else tokens[-window // 2 :]

    async def pieces(
        self, prompt: list[int], options: Mapping[str, Any], format: Any
    ) -> AsyncIterator[Piece]:
        """Generate; closing the iterator stops the generation."""
        sampling = {**DEFAULTS, **{key: value for key, value in options.items() if key not in NOT_SAMPLING}}
        body = {RENAMED.get(key, key): value for key, value in sampling.items()}
        # Reusing a computed prefix changes the last digits of the scores, and with them what a seed draws.
        body |= {"prompt": prompt, "stream": True, "cache_prompt": False, **await self._constraint(format)}
        async with self._session.post(f"{self._llama.root_url}/completion", json=body) as answer:
            await _check(answer)
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    yield _piece(json.loads(line[6:]))

    def _window(self, options: Mapping[str, Any]) -> int:
        return min(int(options.get("num_ctx", self._llama.context_window)), self._llama.context_window)

    async def _tokens(self, text: str) -> list[int]:
        answer = await self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})
        tokens: list[int] = answer["tokens"]
        return tokens

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        async with self._session.post(f"{self._llama.root_url}{path}", json=body) as answer:
            await _check(answer)
            return await answer.json()

    async def _constraint(self, format: Any) -> dict[str, Any]:
        if format in (None, ""):
            return {}
        schema = {"type": "object"} if format == "json" else format
        if not isinstance(schema, Mapping):
            raise RejectedError(
                500, f'invalid format: {json.dumps(format)}; expected "json" or a valid JSON Schema object'
            )
        key = json.dumps(schema)
        if key not in self._grammars:
            self._grammars[key] = await self._grammar(schema)
        return {"grammar": self._grammars[key]}

    async def _grammar(self, schema: Mapping[str, Any]) -> str:
        """Return llama.cpp's own grammar of a schema.

        The completion interface would take the schema itself, but holds the model to it with another library,
        which keeps and refuses other things. The chat interface has the grammar made, and tells it.
        """
        fitting = {"type": "json_schema", "json_schema": {"schema": schema}}
        body = {"messages": [{"role": "user", "content": ""}], "max_tokens": 1, "response_format": fitting}
        async with self._session.post(f"{self._llama.base_url}/chat/completions", json=body) as answer:
            told = await answer.json()
        if answer.status != 200:
            _, found, reason = told["error"]["message"].partition("JSON schema error")
            raise RejectedError(400, f"invalid JSON schema in format: {found}{reason}")
        grammar: str = told["__verbose"]["generation_settings"]["grammar"]
        # Around the text of the schema stand rules for what a template puts around it.
        return re.sub(r"^root ::= .*$", "root ::= response-format-schema", grammar, flags=re.MULTILINE)


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        raise RejectedError(answer.status, (await answer.json())["error"]["message"])


def _piece(event: Mapping[str, Any]) -> Piece:
    if not event["stop"]:
        return Piece(event["content"])
    reason = "length" if event["stop_type"] == "limit" else "stop"
    return Piece(event["content"], reason, event["tokens_evaluated"], event["tokens_predicted"])
