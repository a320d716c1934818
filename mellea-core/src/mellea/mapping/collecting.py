"""The garbage collector while rows are under way: it looks for circles less often.

A row under way holds some hundred objects, and leaves no circle behind. By its usual measure the collector
looks through those of all rows again and again, for a fifth of the processor time of a map, and finds none.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SELDOM", "collecting_seldom"]

SELDOM = 50_000
"""New objects after which the collector looks for circles."""
_lock = threading.Lock()
_before: list[tuple[int, int, int]] = []
"""The measures at the beginning of each map under way."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let the collector look less often in a block. What a program itself sets to less, or in it, stays."""
    with _lock:
        often = gc.get_threshold()
        _before.append(often)
        if 0 < often[0] < SELDOM:
            gc.set_threshold(SELDOM, *often[1:])
    try:
        yield
    finally:
        with _lock:
            first = _before[0]
            _before.pop()
            if not _before and gc.get_threshold()[0] == SELDOM:
                gc.set_threshold(*first)
