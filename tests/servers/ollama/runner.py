"""llama-server as the runner behind the Ollama protocol: from options and a prompt to pieces of text."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
from attrs import frozen

from tests.servers.llama import LlamaServer
from tests.servers.ollama.errors import RejectedError, by_runner

__all__ = ["Piece", "Runner"]

_ANY_JSON = {"anyOf": [{"type": kind} for kind in ("object", "array", "string", "number", "boolean", "null")]}
_REPEATS = 30
"""A model that says the same piece more often than this, one after the other, is broken off."""


@frozen
class Piece:
    """A piece of text; the last one says why it ended and what it took.

    Args:
        text: The text.
        logprobs: The scores of its tokens, if they were asked for.
        done_reason: Why the text ends here.
        prompt_tokens: Tokens of the prompt.
        tokens: Tokens of the text.
    """

    text: str = ""
    logprobs: Sequence[Mapping[str, Any]] = ()
    done_reason: str | None = None
    prompt_tokens: int = 0
    tokens: int = 0


class Runner:
    """Generates and embeds with llama-server.

    Args:
        llama: The server, which is one for Ollama.
        session: Carries the requests.
    """

    def __init__(self, llama: LlamaServer, session: aiohttp.ClientSession) -> None:
        self._llama = llama
        self._session = session
        self._grammars: dict[str, str] = {}

    async def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        answer = await self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})
        tokens: list[int] = answer["tokens"]
        return tokens

    async def embedding(self, tokens: Sequence[int]) -> list[float]:
        """Return what a text means."""
        (answer,) = await self._post("/embedding", {"content": list(tokens)})
        vector: list[float] = answer["embedding"][0]
        return vector

    async def pieces(
        self, prompt: Sequence[int], sampling: Mapping[str, Any], grammar: str
    ) -> AsyncIterator[Piece]:
        """Generate until the model ends, or goes in circles; closing the iterator stops the generation."""
        # Reusing a computed prefix changes the last digits of the scores, and with them what a seed draws.
        body = {**sampling, "prompt": prompt, "stream": True, "cache_prompt": False, "grammar": grammar}
        last, repeated = "", 0
        async with self._session.post(f"{self._llama.root_url}/completion", json=body) as answer:
            await _check(answer)
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                piece = _piece(json.loads(line[6:]))
                repeated = repeated + 1 if piece.text.strip() == last else 0
                last = piece.text.strip()
                if repeated > _REPEATS:
                    return
                yield piece

    async def grammar(self, format: Any) -> str:
        """Return llama.cpp's own grammar of a request's format, empty for none.

        The completion interface would take the schema itself, but holds the model to it with another library,
        which keeps and refuses other things. The chat interface has the grammar made, and tells it.

        Raises:
            RejectedError: It is no format, or llama.cpp cannot make a grammar of it.
        """
        if format in (None, ""):
            return ""
        if format != "json" and not isinstance(format, Mapping):
            words = 'expected "json" or a valid JSON Schema object'
            raise RejectedError(500, f"invalid format: {json.dumps(json.dumps(format))}; {words}")
        schema = _ANY_JSON if format == "json" or not format else format
        key = json.dumps(schema)
        if key not in self._grammars:
            self._grammars[key] = await self._grammar(schema)
        return self._grammars[key]

    async def _grammar(self, schema: Mapping[str, Any]) -> str:
        fitting = {"type": "json_schema", "json_schema": {"schema": schema}}
        body = {"messages": [{"role": "user", "content": ""}], "max_tokens": 1, "response_format": fitting}
        async with self._session.post(f"{self._llama.base_url}/chat/completions", json=body) as answer:
            told = await answer.json()
        if answer.status != 200:
            _, found, reason = told["error"]["message"].partition("JSON schema error")
            words = f'"json_schema": JSON schema conversion failed:\n{found}{reason}'
            raise by_runner(f"Field 'json_schema': {words}")
        grammar: str = told["__verbose"]["generation_settings"]["grammar"]
        # Around the text of the schema stand rules for what a template puts around it.
        return re.sub(r"^root ::= .*$", "root ::= response-format-schema", grammar, flags=re.MULTILINE)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        async with self._session.post(f"{self._llama.root_url}{path}", json=body) as answer:
            await _check(answer)
            return await answer.json()


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        raise RejectedError(answer.status, (await answer.json())["error"]["message"])


def _piece(event: Mapping[str, Any]) -> Piece:
    scores = [_score(token) for token in event.get("completion_probabilities", ())]
    if not event["stop"]:
        return Piece(event["content"], scores)
    reason = "length" if event["stop_type"] == "limit" else "stop"
    return Piece(event["content"], scores, reason, event["tokens_evaluated"], event["tokens_predicted"])


def _score(token: Mapping[str, Any]) -> dict[str, Any]:
    score = {name: token[name] for name in ("token", "logprob", "bytes")}
    others = [_score(other) for other in token.get("top_logprobs", ())]
    return {**score, "top_logprobs": others} if others else score
