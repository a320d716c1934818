"""What keeping a history adds to a call."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks.measure import Plan, ainterleaved, crowd
from benchmarks.table import Row
from mellea import MelleaSession, check, simple_validate, start_session
from mellea.testing import ScriptedBackend

__all__ = ["rows"]

_ASKED = "Write one sentence about the sea, in the voice of somebody who lives by it."
_CHECKS = [
    check("not empty", simple_validate(bool)),
    check("short", simple_validate(lambda text: len(text) < 200)),
]
_CALLS = 100


def rows(plan: Plan) -> Iterator[Row]:
    """Measure all."""
    yield asyncio.run(_call(plan, at_once=1))
    yield asyncio.run(_call(plan, at_once=50))


async def _call(plan: Plan, at_once: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "runs.db")
        async with _session(path) as kept, _session(False) as plain:
            ours, bare = await ainterleaved(
                plan.rounds(12), *(crowd(_one(session), _CALLS, at_once) for session in (kept, plain))
            )
            calls = kept.backend.calls  # type: ignore[attr-defined]
        size = path.stat().st_size / 1024 / calls
    return Row(
        f"instruct on a script with its history kept, {at_once} at once",
        ours / _CALLS * 1e6,
        bare / _CALLS * 1e6,
        "us",
        "difference",
        note=f"{size:.1f} KiB a call",
    )


def _session(history: Path | bool) -> MelleaSession:
    return start_session(ScriptedBackend("The sea is wide, and I know its moods."), history=history)


def _one(session: MelleaSession) -> Callable[[], Awaitable[object]]:
    numbers = itertools.count()
    return lambda: session.ainstruct(f"{_ASKED} {next(numbers)}", requirements=_CHECKS)
