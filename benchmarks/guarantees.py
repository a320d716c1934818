"""What the local engine guarantees: output that is never cut, and quotes that are word for word.

Formats with limits, drawn at random, are answered by the real model at temperature 1: each answer is whole
and fits its schema, or its limit was refused before the first token. Quotes are asked for about passages of
this project's own documentation, beside what the model quotes when nothing holds it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.formats import Case, cases
from benchmarks.measure import Plan, ainterleaved
from benchmarks.table import Row
from mellea.core import ChatRequest, Message, OutputSchema
from mellea.core.errors import LimitTooSmallError
from mellea.core.quote import Quote
from mellea.core.schema_check import misfit
from mellea.evaluation import wilson_interval
from mellea_hf import LocalHFBackend
from mellea_hf._engine import engine
from mellea_hf.weights import DEFAULT_MODEL_ID, load

__all__ = ["rows"]

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_ASKED_OF_EACH = 10
_PASSAGE = 700
"""Characters of a document that is quoted from, about."""


class _MasksAlone(LocalHFBackend):
    """Holds output to its schema, and knows no way home."""

    async def _start(self, *given: Any, **named: Any) -> Any:
        constraints = (await self._holder.get()).loaded.constraints()
        vars(constraints).update(_home=lambda *_: None)
        return await super()._start(*given, **named)


def rows(plan: Plan) -> Iterator[Row]:
    """Measure it."""
    parts = engine.submit(lambda: load(DEFAULT_MODEL_ID)).result()
    with LocalHFBackend(custom_config=parts) as backend, _MasksAlone(custom_config=parts) as masks:
        yield asyncio.run(_whole(backend, 120 if plan.quick else 500))
        yield asyncio.run(_seconds_a_token(plan, backend, masks))
        yield asyncio.run(_quotes(backend, 5 if plan.quick else 30))


async def _asked(backend: LocalHFBackend, text: str, schema: Any, limit: int, seed: int) -> tuple[str, int]:
    """Return an answer at temperature 1, and how many tokens it took."""
    wanted = None if schema is None else OutputSchema.of(schema)
    options = {"max_new_tokens": limit, "temperature": 1.0, "seed": seed}
    request = ChatRequest(backend.model_id, (Message("user", text),), options, wanted, stream=False)
    chunks = [chunk async for chunk in backend.stream_chat(request)]
    usage = chunks[-1].usage
    return "".join(chunk.text for chunk in chunks), usage.completion_tokens if usage is not None else 0


async def _all(work: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Return what each comes to, in order; a few dozen are under way at once."""
    free = asyncio.Semaphore(32)

    async def one(call: Callable[[], Awaitable[Any]]) -> Any:
        async with free:
            return await call()

    return await asyncio.gather(*map(one, work))


async def _whole(backend: LocalHFBackend, number: int) -> Row:
    async def outcome(case: Case, seed: int) -> str:
        try:
            text, _ = await _asked(backend, _DESCRIBE, case.schema, case.limit, seed)
            return "broken" if misfit(json.loads(text), case.schema) else "whole"
        except LimitTooSmallError as error:
            return "refused" if error.least > case.limit else "broken"
        except ValueError:
            return "cut"

    work = [lambda case=case, seed=seed: outcome(case, seed) for seed, case in enumerate(cases(number))]
    found = Counter(await _all(work))
    kept = found["whole"] + found["refused"]
    note = ", ".join(f"{count} {name}" for name, count in found.most_common())
    return Row("output whole or refused at once", kept, number, "outputs", bound=1, at_least=True, note=note)


_DESCRIBE = "Describe a person in a big city as JSON."


async def _seconds_a_token(plan: Plan, backend: LocalHFBackend, masks: LocalHFBackend) -> Row:
    chosen = [case for case in cases(60, seed=7) if case.limit >= 32][:12]

    async def side(asked: LocalHFBackend) -> float:
        started, tokens = time.perf_counter(), 0
        for seed, case in enumerate(chosen):
            try:
                tokens += (await _asked(asked, _DESCRIBE, case.schema, 64, seed))[1]
            except LimitTooSmallError:
                continue
        return 1000 * (time.perf_counter() - started) / max(tokens, 1)

    ours, theirs = await ainterleaved(plan.rounds(6), lambda: side(backend), lambda: side(masks))
    return Row("token of structured output, against masks alone", ours, theirs, "ms", bound=1.15)


async def _quotes(backend: LocalHFBackend, passages: int) -> Row:
    asked = [(text, word) for text in _texts(passages) for word in _words(text)]

    async def held(text: str, word: str, seed: int) -> bool:
        from pydantic import create_model

        answer = create_model("Evidence", quote=(Quote.of(text), ...))
        said, _ = await _asked(backend, _question(text, word), answer, 24, seed)
        quote: Quote = answer.model_validate_json(said).quote  # type: ignore[attr-defined]
        return json.loads(said)["quote"] == quote and text[quote.start : quote.end] == quote

    async def free(text: str, word: str, seed: int) -> bool:
        said, _ = await _asked(backend, _question(text, word), None, 24, seed)
        return said.strip().strip('"').strip() in text

    for_each = [(text, word, seed) for seed, (text, word) in enumerate(asked)]
    kept = sum(await _all([lambda given=given: held(*given) for given in for_each]))
    loose = sum(await _all([lambda given=given: free(*given) for given in for_each]))
    low, high = wilson_interval(loose, len(asked))
    note = f"free: {loose} of {len(asked)} ({low:.0%} to {high:.0%})"
    return Row("quotes word for word", kept, len(asked), "quotes", bound=1, at_least=True, note=note)


def _question(text: str, word: str) -> str:
    return f"{text}\n\nQuote the words of this text that speak of {word}. Write the quote alone."


def _texts(number: int) -> list[str]:
    """Return the beginnings of pages of the documentation, without their code."""
    texts = []
    for page in sorted(_DOCS.glob("*.md")):
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        texts.append(prose[:_PASSAGE].rpartition(" ")[0])
    return [text for text in texts if len(_words(text)) == _ASKED_OF_EACH][:number]


def _words(text: str) -> list[str]:
    """Return the longest words of a text."""
    words = dict.fromkeys(re.findall(r"[a-z]{4,}", text))
    return sorted(words, key=len, reverse=True)[:_ASKED_OF_EACH]
