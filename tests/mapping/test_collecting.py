"""How often the garbage collector looks for circles while rows are under way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from mellea.mapping import amap
from mellea.mapping import map as map_rows
from mellea.mapping.collecting import SELDOM, collecting_seldom


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield (700, 10, 10)
    gc.set_threshold(*before)


async def measure(row: Any) -> int:
    return gc.get_threshold()[0]


async def test_collector_looks_seldom_while_rows_are_under_way(usual: tuple[int, int, int]) -> None:
    results = [result.value async for result in amap(measure, [1, 2], journal=False, progress=False)]
    assert results == [SELDOM, SELDOM]
    assert gc.get_threshold() == usual


async def test_map_that_is_left_early_leaves_the_collector_as_it_was(usual: tuple[int, int, int]) -> None:
    async with amap(measure, range(100), journal=False, progress=False, concurrency=1) as results:
        await results.take()
    assert gc.get_threshold() == usual


def test_map_within_a_row_leaves_the_collector_to_the_outer_one(usual: tuple[int, int, int]) -> None:
    def step(row: Any) -> int:
        assert len(list(map_rows(measure, [1], journal=False, progress=False))) == 1
        return gc.get_threshold()[0]

    assert [result.value for result in map_rows(step, [1], journal=False, progress=False)] == [SELDOM]
    assert gc.get_threshold() == usual


def test_first_of_two_maps_to_end_leaves_the_collector_to_the_other(usual: tuple[int, int, int]) -> None:
    first, second = collecting_seldom(), collecting_seldom()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == SELDOM
    second.__exit__(None, None, None)
    assert gc.get_threshold() == usual


@pytest.mark.parametrize("own", [0, SELDOM + 1])
def test_program_that_lets_it_look_less_often_itself_keeps_that(own: int) -> None:
    gc.set_threshold(own)
    with collecting_seldom():
        assert gc.get_threshold()[0] == own
    assert gc.get_threshold()[0] == own


def test_what_a_program_sets_meanwhile_stays() -> None:
    with collecting_seldom():
        gc.set_threshold(1234)
    assert gc.get_threshold()[0] == 1234
