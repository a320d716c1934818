"""Measuring two or more sides in turn, so that the noise of the machine hits them alike."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from attrs import frozen

__all__ = ["Plan", "ainterleaved", "atimed", "crowd", "interleaved", "timed"]

_FEWEST = 3
_LONGEST = 20.0
"""Seconds after which no further round of a comparison begins, if there were enough."""


@frozen
class Plan:
    """How much to measure: a quick plan takes a quarter of the rounds."""

    quick: bool = False

    def rounds(self, usual: int) -> int:
        """Return the number of rounds."""
        return max(_FEWEST, usual // 4) if self.quick else usual


def interleaved(
    rounds: int, *sides: Callable[[], float], pick: Callable[[Sequence[float]], float] = statistics.median
) -> list[float]:
    """Run the sides in turn (A B, B A, ...) and return the median of each. One round before is not counted.

    Args:
        rounds: How often.
        sides: What to run.
        pick: What to take in place of the median.
    """
    values: list[list[float]] = [[] for _ in sides]
    for order in _orders(rounds, len(sides)):
        for index in order:
            values[index].append(sides[index]())
    return [pick(side[1:]) for side in values]


async def ainterleaved(
    rounds: int,
    *sides: Callable[[], Awaitable[float]],
    pick: Callable[[Sequence[float]], float] = statistics.median,
) -> list[float]:
    """Asynchronous twin of ``interleaved``."""
    values: list[list[float]] = [[] for _ in sides]
    for order in _orders(rounds, len(sides)):
        for index in order:
            values[index].append(await sides[index]())
    return [pick(side[1:]) for side in values]


def _orders(rounds: int, count: int) -> Iterator[list[int]]:
    """Yield the order of the sides in each round, as many as asked for, fewer when time is up."""
    end = time.monotonic() + _LONGEST
    for turn in range(rounds + 1):
        if turn > _FEWEST and time.monotonic() > end:
            return
        gc.collect()
        order = list(range(count))
        yield order if turn % 2 else order[::-1]


def timed(call: Callable[[], object], times: int) -> Callable[[], float]:
    """Return a side that makes a call several times and gives the seconds of one."""

    def side() -> float:
        start = time.perf_counter()
        for _ in range(times):
            call()
        return (time.perf_counter() - start) / times

    return side


def atimed(call: Callable[[], Awaitable[object]], times: int) -> Callable[[], Awaitable[float]]:
    """Asynchronous twin of ``timed``."""

    async def side() -> float:
        start = time.perf_counter()
        for _ in range(times):
            await call()
        return (time.perf_counter() - start) / times

    return side


def crowd(
    call: Callable[[], Awaitable[object]], calls: int, concurrency: int
) -> Callable[[], Awaitable[float]]:
    """Return a side that makes many calls, so many at a time."""

    async def worker(share: int) -> None:
        for _ in range(share):
            await call()

    async def side() -> float:
        start = time.perf_counter()
        shares = (calls // concurrency + (index < calls % concurrency) for index in range(concurrency))
        await asyncio.gather(*(worker(share) for share in shares))
        return time.perf_counter() - start

    return side
