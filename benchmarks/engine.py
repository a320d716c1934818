"""The local engine against bare ``generate``: batches, prefixes, schemas, verdicts, memory."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from benchmarks.measure import Plan, ainterleaved
from benchmarks.peers import PROMPTS, llama, speed
from benchmarks.table import Row
from mellea import ChatContext, MelleaSession, ModelOption
from mellea.core import ChatRequest, CompletionRequest, Message, OutputSchema, score
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea_hf import LocalHFBackend
from mellea_hf._engine import engine
from mellea_hf.weights import DEFAULT_MODEL_ID, load

__all__ = ["rows"]

_SYSTEM = "You are the keeper of a lighthouse, and you answer in short and plain words. " * 38
_TURNS = ("Who are you?", "What do you see?", "Is it cold?", "And at night?", "Who visits you?", "Why stay?")
_RULES = ("It is polite.", "It names the sea.", "It is about a person.", "It tells when.")
_SHAPE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "story": {"type": "string"}},
    "required": ["name", "age", "story"],
    "additionalProperties": False,
}


class _Recorded(LocalHFBackend):
    """Keeps what it was asked, and how long the answers were."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[tuple[tuple[Message, ...], int]] = []

    async def stream_chat(self, request: ChatRequest) -> Any:
        async for chunk in super().stream_chat(request):
            if chunk.usage is not None:
                self.calls.append((request.messages, chunk.usage.completion_tokens))
            yield chunk


def rows(plan: Plan) -> Iterator[Row]:
    """Measure it."""
    parts = engine.submit(lambda: load(DEFAULT_MODEL_ID)).result()
    with (
        _Recorded(custom_config=parts) as backend,
        LocalHFBackend(custom_config=parts, cache_bytes=0) as bare_cache,
        LocalHFBackend(custom_config=parts, cache_bytes=0, max_batch=8, reproducible=True) as exact,
        LocalHFBackend(quantization="int8", cache_bytes=0) as small,
    ):
        measured = _Measured(plan, parts, backend, bare_cache, exact, small)
        for part in (
            measured.concurrent,
            measured.one,
            measured.turn_of_a_chat,
            measured.turns_of_a_chat,
            measured.judged,
            measured.verdicts,
            measured.constrained,
            measured.memory,
        ):
            yield from asyncio.run(part())
    with llama() as peer:
        [peers] = asyncio.run(ainterleaved(2 if plan.quick else 4, speed(peer, 64, 1)))
    yield Row("one answer by llama.cpp, the same weights of 4 bits", peers, None, "tokens/s")


class _Measured:
    def __init__(
        self,
        plan: Plan,
        parts: tuple[Any, Any, Any],
        cached: _Recorded,
        plain: LocalHFBackend,
        exact: LocalHFBackend,
        small: LocalHFBackend,
    ) -> None:
        self._quick = plan.quick
        self._tokens = 24 if plan.quick else 64
        """How long answers are whose speed is measured."""
        self._tokenizer, self._model, _ = parts
        self._cached, self._plain, self._exact, self._small = cached, plain, exact, small

    def _rounds(self, usual: int) -> int:
        """Return the number of rounds: these take seconds each, and a quick look has few."""
        return max(1, usual // 3) if self._quick else usual

    def _alone(self, answers: int) -> Callable[[], Awaitable[float]]:
        """Return a side that gives the tokens of a second of bare ``generate``, by answers in a row."""
        ids = [self._tokenizer(prompt).input_ids for prompt in PROMPTS[:answers]]

        async def side() -> float:
            return answers * self._tokens / await self._generate(ids, [self._tokens] * answers)

        return side

    async def _generate(self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]) -> float:
        """Return the seconds of bare ``generate`` for prompts in a row, each with so many new tokens."""

        def work() -> float:
            import torch

            start = time.perf_counter()
            for prompt, count in zip(prompts, tokens, strict=True):
                ids = torch.tensor([list(prompt)])
                mask = torch.ones_like(ids)
                self._model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=count,
                    min_new_tokens=count,
                    do_sample=False,
                )
            return time.perf_counter() - start

        return await asyncio.wrap_future(engine.submit(work))

    async def concurrent(self) -> list[Row]:
        """Eight answers at once; of those in a row, three say how fast they are."""
        sides = speed(self._plain, self._tokens, 8), speed(self._exact, self._tokens, 8), self._alone(3)
        ours, exact, bare = await ainterleaved(self._rounds(2), *sides)
        unit = "tokens/s"
        return [
            Row(
                "eight concurrent answers, against eight in a row", ours, bare, unit, bound=3.3, at_least=True
            ),
            Row("the same with reproducible=True", exact, bare, unit),
        ]

    async def one(self) -> list[Row]:
        """One answer, and one by weights of 8 bits."""
        sides = speed(self._plain, self._tokens, 1), speed(self._small, self._tokens, 1), self._alone(1)
        ours, small, bare = await ainterleaved(self._rounds(4), *sides)
        unit = "tokens/s"
        return [
            Row("one answer, against bare generate", ours, bare, unit, bound=1.0, at_least=True),
            Row('the same with quantization="int8"', small, bare, unit, bound=1.8, at_least=True),
        ]

    async def turn_of_a_chat(self) -> list[Row]:
        """The first token of a chat's eighth turn."""
        said = [Message("system", _SYSTEM)]
        for number in range(7):
            said += [Message("user", f"Question {number}?"), Message("assistant", f"Answer {number}.")]
        number = 0

        def first(backend: LocalHFBackend) -> Callable[[], Awaitable[float]]:
            async def side() -> float:
                nonlocal number
                number += 1
                turns = (*said, Message("user", f"What of ship {number}?"))
                start = time.perf_counter()
                async for _ in backend.stream_chat(ChatRequest("m", turns, {"max_new_tokens": 1})):
                    pass
                return time.perf_counter() - start

            return side

        ours, bare = await ainterleaved(self._rounds(6), first(self._cached), first(self._plain))
        name = "turn 8 behind a system prompt of 600 tokens, first token, against no cache"
        return [Row(name, ours, bare, "s", bound=0.2)]

    async def turns_of_a_chat(self) -> list[Row]:
        """What six turns compute of their prompts."""
        session = MelleaSession(self._cached, ChatContext())
        computed = asked = 0
        for turn in _TURNS:
            options = {ModelOption.MAX_NEW_TOKENS: 32}
            thunk = await session.aact(turn, strategy=None, model_options=options, await_result=True)
            usage = thunk.generation.usage
            computed += usage.prompt_tokens - usage.cached_tokens
            asked += usage.prompt_tokens
        name = "six chat turns of 32 tokens, tokens of prompts computed"
        return [Row(name, computed, asked, "tokens", bound=300 / asked)]

    async def judged(self) -> list[Row]:
        """An instruction with four judged requirements."""
        options = {ModelOption.MAX_NEW_TOKENS: 32, ModelOption.TEMPERATURE: 0}
        number = 0

        async def ours() -> float:
            nonlocal number
            number += 1
            self._cached.calls.clear()
            session = MelleaSession(self._cached)
            start = time.perf_counter()
            await session.ainstruct(
                f"Write one sentence about keeper number {number}.",
                requirements=list(_RULES),
                strategy=RejectionSamplingStrategy(loop_budget=1),
                model_options=options,
            )
            return time.perf_counter() - start

        async def bare() -> float:
            template = self._tokenizer.apply_chat_template
            prompts = [
                template(
                    [{"role": one.role, "content": one.content} for one in messages],
                    add_generation_prompt=True,
                    return_dict=False,
                )
                for messages, _ in self._cached.calls
            ]
            return await self._generate(prompts, [max(1, tokens) for _, tokens in self._cached.calls])

        took, alone = await ours(), await bare()
        if not self._quick:
            took, alone = await ainterleaved(self._rounds(2), ours, bare)
        name = "an instruction with four judged requirements, against five bare generates"
        return [Row(name, took, alone, "s", bound=0.45, note=f"{len(self._cached.calls)} calls")]

    async def verdicts(self) -> list[Row]:
        """Four verdicts by scoring, against the judge's four answers."""
        judges = [messages for messages, _ in self._cached.calls[1:]]
        schema = OutputSchema(
            "verdict",
            {
                "type": "object",
                "properties": {"reason": {"type": "string", "maxLength": 200}, "met": {"type": "boolean"}},
                "required": ["reason", "met"],
                "additionalProperties": False,
            },
        )

        async def generated() -> float:
            start = time.perf_counter()

            async def judge(messages: tuple[Message, ...]) -> None:
                request = ChatRequest("m", messages, {"temperature": 0, "max_new_tokens": 128}, schema)
                async for _ in self._cached.stream_chat(request):
                    pass

            await asyncio.gather(*map(judge, judges))
            return time.perf_counter() - start

        async def scored() -> float:
            start = time.perf_counter()
            await asyncio.gather(*(score(self._cached, messages, ["yes", "no"]) for messages in judges))
            return time.perf_counter() - start

        ours, written = await ainterleaved(self._rounds(3), scored, generated)
        return [Row("four verdicts by scoring, against four written ones", ours, written, "s", bound=0.15)]

    async def constrained(self) -> list[Row]:
        """A token of JSON, against a token of free text."""
        options = {"temperature": 0, "max_new_tokens": 48}

        def side(schema: OutputSchema | None) -> Callable[[], Awaitable[float]]:
            async def one() -> float:
                request = ChatRequest(
                    "m", (Message("user", "Invent a person, with a story."),), options, schema
                )
                start, tokens = time.perf_counter(), 1
                async for chunk in self._plain.stream_chat(request):
                    tokens = chunk.usage.completion_tokens if chunk.usage else tokens
                return (time.perf_counter() - start) / tokens * 1000

            return one

        held, free = await ainterleaved(self._rounds(6), side(OutputSchema("person", _SHAPE)), side(None))
        return [Row("a token of constrained JSON, against a free one", held, free, "ms", bound=1.10)]

    async def memory(self) -> list[Row]:
        """What the process grows by when a cache fills."""
        size = (48 if self._quick else 96) * 2**20
        weights = sum(part.numel() * part.element_size() for part in self._model.parameters())
        parts = (self._tokenizer, self._model, None)
        with LocalHFBackend(custom_config=parts, cache_bytes=size) as backend:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            for number in range(3 if self._quick else 6):
                prompt = f"{number} and so on. " + "The sea is wide, and the sky is high. " * 40
                await backend.complete(CompletionRequest("m", (prompt,), {"max_new_tokens": 2}))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        million = 2**20
        name = f"weights and a full cache of {size // million} MiB, growth of the process"
        return [Row(name, (weights + grown) / million, (weights + size) / million, "MiB", bound=1.1)]
