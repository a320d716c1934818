"""How many requests go at a time, and how answers that come together go on."""

from __future__ import annotations

import asyncio

from mellea.mapping.gate import Gate, StoppedError
from mellea.mapping.turns import Turns


async def test_gate_halves_once_for_all_that_was_under_way_and_recovers():
    gate = Gate(8)
    async with gate as first, gate as second, gate, gate:
        gate.slow_down(first, 0.0)
        gate.slow_down(second, 0.0)
    assert gate.limit == 2.0
    for _ in range(60):
        gate.went_well()
    assert gate.limit == 8

    async with gate:
        waiting = [asyncio.ensure_future(enter(gate)) for _ in range(9)]
        await asyncio.sleep(0)
        gate.stop()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in ended} <= {StoppedError, type(None)}
    assert any(isinstance(each, StoppedError) for each in ended)


async def test_gate_halves_once_for_whoever_was_let_in_before_and_goes_on_after():
    gate = Gate(4)
    first, second, third, last = [await gate.__aenter__() for _ in range(4)]
    waiting = asyncio.ensure_future(gate.__aenter__())
    await asyncio.sleep(0)
    await gate.__aexit__()  # who waits is let in, and goes on with the next turn of the loop
    gate.slow_down(first, 0.0)
    begun = await waiting
    gate.slow_down(begun, 0.0)

    assert {first, second, third, last, begun} == {0}
    assert gate.limit == 2.0


async def enter(gate: Gate) -> None:
    async with gate:
        await asyncio.sleep(0)


async def test_first_answers_go_on_while_the_last_ones_wait():
    turns, happened = Turns(), []

    async def row(place: int) -> None:
        await turns.take()
        happened.append(("begun", place))
        for _ in range(3):
            await asyncio.sleep(0)
        happened.append(("ended", place))

    await asyncio.gather(*(row(place) for place in range(100)))
    assert [place for what, place in happened if what == "ended"] == list(range(100))
    assert happened.index(("ended", 0)) < happened.index(("begun", 50))
    async with asyncio.timeout(5):
        await turns.take()


async def test_answers_whose_row_is_cancelled_take_no_turn_from_the_others():
    turns = Turns()
    waiting = [asyncio.ensure_future(turns.take()) for _ in range(200)]
    await asyncio.sleep(0)
    for each in waiting[20:180]:
        each.cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [error is None for error in ended] == [place < 20 or place >= 180 for place in range(200)]
