"""What ``/api/chat`` and ``/api/generate`` answer.

The checks before a generation, and the parts of its answer.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define

from tests.servers.ollama.errors import RejectedError, by_runner
from tests.servers.ollama.generation import Generation, Said
from tests.servers.ollama.models import Loaded, now, window_of
from tests.servers.ollama.names import full_name, long_name
from tests.servers.ollama.options import checked_options
from tests.servers.ollama.requests import model_name, thinks
from tests.servers.ollama.runner import Piece, Runner
from tests.servers.ollama.sending import Part

if TYPE_CHECKING:
    from tests.servers.ollama import OllamaServer

__all__ = ["Answers"]

Body = Mapping[str, Any]
Shape = Callable[[Said], Part]
"""The fields of an interface's line that carry what was said."""


@define
class Answers:
    """Answers for a server's models.

    Args:
        server: Knows the models, what is loaded, and what a test has ordered.
        runner: Generates.
    """

    server: OllamaServer
    runner: Runner

    def loaded_for_chat(self, body: Body) -> Part:
        """Return the answer to a conversation without messages, which loads the model, or unloads it.

        Raises:
            RejectedError: The request cannot be answered.
        """
        self._chat(body)
        return self._loaded(body, _message(Said()))

    def loaded_for_generate(self, body: Body) -> Part:
        """Return the answer to a prompt without text, which loads the model, or unloads it.

        Raises:
            RejectedError: The request cannot be answered.
        """
        self._prompt(body)
        return self._loaded(body, _response(Said()))

    async def chat(self, body: Body) -> AsyncIterator[Part]:
        """Return the parts of the answer to a conversation.

        Raises:
            RejectedError: The request cannot be answered; nothing was generated.
        """
        return await self._answer(self._chat(body), _message)

    async def generate(self, body: Body) -> AsyncIterator[Part]:
        """Return the parts of the answer to a prompt.

        Raises:
            RejectedError: The request cannot be answered; nothing was generated.
        """
        return await self._answer(self._prompt(body), _response)

    def model(self, body: Body) -> tuple[str, tuple[str, ...]]:
        """Return the name of the model that is asked, as it was given, and what it can do.

        Raises:
            RejectedError: There is none of that name.
        """
        name = model_name(body)
        capabilities = self.server.capabilities_of(name)
        if capabilities is None:
            raise RejectedError(404, f"model '{name}' not found")
        return name, capabilities

    def load(self, name: str, window: int) -> None:
        """Have the model in memory from now on."""
        self.server.loaded[full_name(name)] = Loaded(datetime.now(UTC) + timedelta(minutes=5), window)

    def _chat(self, body: Body) -> Generation:
        return self._generation(body, "chat", body.get("messages") or ())

    def _prompt(self, body: Body) -> Generation:
        prompt = body.get("prompt") or ""
        system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        user = {"role": "user", "content": prompt, "images": body.get("images") or ()}
        generation = self._generation(
            body, "generate", [*system, user], raw=prompt if body.get("raw") else None
        )
        if body.get("suffix"):
            raise RejectedError(400, f"{long_name(body['model'])} does not support insert")
        return generation

    def _generation(
        self, body: Body, verb: str, messages: Sequence[Mapping[str, Any]], raw: str | None = None
    ) -> Generation:
        think = thinks(body)
        name, capabilities = self.model(body)
        if "completion" not in capabilities:
            raise RejectedError(400, f'"{name}" does not support {verb}')
        if body.get("tools") and "tools" not in capabilities:
            raise RejectedError(400, f"{long_name(name)} does not support tools")
        if think and "thinking" not in capabilities:
            raise RejectedError(400, f'"{name}" does not support thinking')
        options = {**self.server.parameters, **checked_options(body.get("options") or {})}
        window = window_of(name, options)
        self.load(name, window)
        if "vision" not in capabilities and any(message.get("images") for message in messages):
            raise by_runner("Multimodal data provided, but model does not support multimodal requests.")
        reasons = raw is None and "thinking" in capabilities and think is not False
        says = self.server.next_words
        return Generation(self.runner, body, options, window, messages, raw, think=reasons, says=says)

    def _loaded(self, body: Body, fields: Part) -> Part:
        unloads = body.get("keep_alive") == 0
        if unloads:
            self.server.loaded.pop(full_name(body["model"]), None)
        return {**_head(body), **fields, "done": True, "done_reason": "unload" if unloads else "load"}

    async def _answer(self, generation: Generation, shape: Shape) -> AsyncIterator[Part]:
        """Return the parts of an answer, once the prompt and the format are known to be good."""
        prompt, grammar = await generation.prepared()
        return _parts(generation, prompt, grammar, shape)


async def _parts(
    generation: Generation, prompt: list[int], grammar: str, shape: Shape
) -> AsyncIterator[Part]:
    started, text, body = time.perf_counter_ns(), "", generation.body
    async with aclosing(generation.said(prompt, grammar)) as said:
        async for piece in said:
            scores = {"logprobs": list(piece.logprobs)} if piece.logprobs else {}
            text += piece.text
            if piece.end is None:
                yield {**_head(body), **shape(piece), "done": False, **scores}
                continue
            last = {
                **_head(body),
                **shape(piece),
                "done": True,
                "done_reason": piece.end.done_reason,
                **scores,
            }
            if shape is _response and generation.raw is None:
                last["context"] = prompt + await generation.runner.tokens(text)
            yield {**last, **_counts(piece.end, time.perf_counter_ns() - started)}


def _counts(end: Piece, spent: int) -> Part:
    durations = {
        "total_duration": spent,
        "load_duration": 1,
        "prompt_eval_duration": 1,
        "eval_duration": spent,
    }
    return {**durations, "prompt_eval_count": end.prompt_tokens, "eval_count": end.tokens}


def _head(body: Body) -> Part:
    return {"model": body["model"], "created_at": now()}


def _message(said: Said) -> Part:
    thought = {"thinking": said.thought} if said.thought else {}
    calls = {"tool_calls": list(said.calls)} if said.calls else {}
    return {"message": {"role": "assistant", "content": said.text, **thought, **calls}}


def _response(said: Said) -> Part:
    return {"response": said.text, **({"thinking": said.thought} if said.thought else {})}
