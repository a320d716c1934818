"""What a long conversation costs in time and memory, and what is added to a call that costs nothing."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator

from benchmarks.measure import Plan, ainterleaved, atimed, interleaved, timed
from benchmarks.table import Row
from mellea import ChatContext, Context, Instruction, MelleaSession, Message, ModelOutputThunk, start_session
from mellea.core.templates import TemplateFormatter
from mellea.testing import ScriptedBackend

__all__ = ["rows"]

_WINDOW = 20
_EARLY, _LATE = 10, 4000
_ANSWER = "An answer of one sentence, about as long as people expect in a chat."
_QUESTION, _ANSWERED = Message("user", "And then?"), ModelOutputThunk(_ANSWER)


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    yield from asyncio.run(_long_chat(plan))
    yield from _overhead(plan)
    yield asyncio.run(_asynchronous_overhead(plan))


async def _long_chat(plan: Plan) -> list[Row]:
    backend = ScriptedBackend(_ANSWER)
    async with MelleaSession(backend, ChatContext(window_size=_WINDOW)) as session:
        tracemalloc.start()
        early = await _grow(session, backend, _EARLY)
        at_start = tracemalloc.get_traced_memory()[0]
        await _grow(session, backend, _LATE // 2 - _EARLY)
        first_half = tracemalloc.get_traced_memory()[0] - at_start
        late = await _grow(session, backend, _LATE // 2)
        second_half = tracemalloc.get_traced_memory()[0] - at_start - first_half
        tracemalloc.stop()

        async def turn_at(ctx: Context) -> float:
            session.ctx = ctx
            seconds = await atimed(lambda: session.achat("And then?"), 25)()
            backend.requests.clear()
            return seconds

        adding = await ainterleaved(plan.rounds(20), lambda: turn_at(late), lambda: turn_at(early))
    reading = interleaved(
        plan.rounds(20), timed(lambda: _one_more(late), 500), timed(lambda: _one_more(early), 500)
    )
    per_turn = second_half / (_LATE / 2), first_half / (_LATE / 2 - _EARLY)
    return [
        Row(
            f"{_LATE:,} turns: a chat call, against turn {_EARLY}",
            adding[0] * 1e6,
            adding[1] * 1e6,
            "us",
            bound=1.3,
        ),
        Row(
            f"{_LATE:,} turns: add one, read {_WINDOW}, against turn {_EARLY}",
            reading[0] * 1e6,
            reading[1] * 1e6,
            "us",
            bound=1.3,
        ),
        Row(f"{_LATE:,} turns: memory of each, against up to {_LATE // 2:,}", *per_turn, "bytes", bound=1.1),
    ]


async def _grow(session: MelleaSession, backend: ScriptedBackend, turns: int) -> Context:
    """Chat for some turns, and forget the requests that the scripted backend keeps."""
    for number in range(turns):
        await session.achat(f"And then, what happened in turn {number}?")
        backend.requests.clear()
    return session.ctx


def _one_more(ctx: Context) -> object:
    return ctx.add(_QUESTION).add(_ANSWERED).view_for_generation()


def _overhead(plan: Plan) -> Iterator[Row]:
    backend = ScriptedBackend(_ANSWER)
    formatter = TemplateFormatter()
    instruction = Instruction(
        "Write to {{name}}.", ["Be short.", "Be kind."], user_variables={"name": "Olivia"}
    )
    with start_session(backend) as session:
        sides = {
            "act on a text, synchronous": lambda: session.act("hi"),
            "instruct with two requirements, synchronous": lambda: session.instruct(
                "Write.", requirements=["a", "b"]
            ),
            "rendering an instruction": lambda: formatter.print(instruction),
        }
        for name, call in sides.items():
            seconds = interleaved(plan.rounds(20), timed(call, 50))
            yield Row(name, seconds[0] * 1e6, None, "us")
            backend.requests.clear()
            session.reset()


async def _asynchronous_overhead(plan: Plan) -> Row:
    async with start_session(ScriptedBackend(_ANSWER)) as session:
        seconds = await ainterleaved(
            plan.rounds(20), atimed(lambda: session.aact("hi", await_result=True), 50)
        )
    return Row("act on a text, asynchronous", seconds[0] * 1e6, None, "us")
