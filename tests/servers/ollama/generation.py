"""From a request to what its model says: reasoning, text, tool calls and scores, piece by piece."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from attrs import evolve, field, frozen

from tests.servers.ollama.errors import too_long
from tests.servers.ollama.options import sampling, token_limit
from tests.servers.ollama.reasoning import ReasoningParser
from tests.servers.ollama.runner import Piece, Runner
from tests.servers.ollama.templates import rendered
from tests.servers.ollama.tool_calls import ToolCallParser

__all__ = ["Generation", "Said"]

_KEPT = 4
"""Tokens at the beginning of a prompt that outlive a cut."""
Messages = Sequence[Mapping[str, Any]]


@frozen
class Said:
    """What one piece adds; the last one has ``end``."""

    text: str = ""
    thought: str = ""
    calls: Sequence[Mapping[str, Any]] = ()
    logprobs: Sequence[Mapping[str, Any]] = ()
    end: Piece | None = None


@frozen
class Generation:
    """What one request asks of a model.

    Args:
        runner: What generates.
        body: The request.
        options: Its checked options.
        window: Tokens that the model reads.
        messages: The conversation; empty for a raw prompt.
        raw: A prompt that no template is put around.
        think: Whether the model reasons first.
        says: Gives what the model is to say, word for word, if a test has ordered that.
    """

    runner: Runner
    body: Mapping[str, Any]
    options: Mapping[str, Any]
    window: int
    messages: Messages = ()
    raw: str | None = None
    think: bool = False
    says: Callable[[], str | None] = field(default=lambda: None)

    async def prepared(self) -> tuple[list[int], str]:
        """Return the prompt and the grammar of the format.

        Raises:
            RejectedError: One of them is refused.
        """
        grammar = await self.runner.grammar(self.body.get("format"))
        return await self._prompt(self.messages), grammar

    async def said(self, prompt: Sequence[int], grammar: str) -> AsyncIterator[Said]:
        """Generate; with reasoning and a format first freely, and in the format once the reasoning ended."""
        if not (self.think and grammar):
            async with aclosing(self._parsed(prompt, grammar, think=self.think)) as parts:
                async for part in parts:
                    yield part
            return
        thought = ""
        async with aclosing(self._parsed(prompt, "", think=True)) as parts:
            async for part in parts:
                if part.text:
                    break
                thought += part.thought
                yield part
            else:
                return
        again = await self._prompt([*self.messages, {"role": "assistant", "thinking": thought}])
        async with aclosing(self._parsed(again, grammar, think=False)) as parts:
            async for part in parts:
                yield part

    async def _prompt(self, messages: Messages) -> list[int]:
        """Return the tokens of the prompt, cut in silence if it is too long and may be."""
        text = (
            rendered(messages, self.body.get("tools") or (), think=self.think)
            if self.raw is None
            else self.raw
        )
        tokens = await self.runner.tokens(text)
        if len(tokens) < self.window:
            return tokens
        if self.body.get("truncate") is False:
            raise too_long(len(tokens), self.window)
        return tokens[:_KEPT] + tokens[-((self.window - _KEPT) // 2) :]

    async def _parsed(self, prompt: Sequence[int], grammar: str, *, think: bool) -> AsyncIterator[Said]:
        reasoning, calling = (
            ReasoningParser() if think else None,
            ToolCallParser(self.body.get("tools") or ()),
        )
        scores: list[Mapping[str, Any]] = []
        async with aclosing(self._pieces(prompt, grammar)) as pieces:
            async for piece in pieces:
                thought, text = reasoning.add(piece.text) if reasoning else ("", piece.text)
                text, calls = calling.add(text)
                scores += piece.logprobs
                part = Said(text, thought, calls, scores, piece if piece.done_reason else None)
                if part.end:
                    # What ends the text comes with the last line, whose own text is empty.
                    part = evolve(
                        part,
                        text=text + calling.rest(),
                        thought=thought + (reasoning.rest() if reasoning else ""),
                    )
                    if part.text or part.thought or part.calls:
                        yield evolve(part, end=None)
                        scores = []
                    yield Said(logprobs=scores, end=piece)
                elif part.text or part.thought or part.calls:
                    yield part
                    scores = []

    async def _pieces(self, prompt: Sequence[int], grammar: str) -> AsyncIterator[Piece]:
        asked = sampling(self.options)
        if "" in asked["stop"]:
            yield Piece(done_reason="stop", prompt_tokens=len(prompt), tokens=1)
            return
        room = self.window - len(prompt) if self.body.get("shift") is False else None
        asked["n_predict"] = token_limit(self.options, window=self.window, room=room)
        if self.body.get("logprobs"):
            asked["n_probs"] = max(1, int(self.body.get("top_logprobs") or 0))
        words = self.says()
        # A grammar of one sentence makes the model say it, token by token.
        forced = None if words is None else f"root ::= {json.dumps(words, ensure_ascii=False)}"
        async with aclosing(self.runner.pieces(prompt, asked, forced or grammar)) as pieces:
            async for piece in pieces:
                yield piece
