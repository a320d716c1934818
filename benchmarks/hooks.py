"""What hook points cost: nothing to speak of where nobody listens.

The lowest of several rounds counts, because these are nanoseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from benchmarks.measure import Plan, interleaved, timed
from benchmarks.table import Row
from mellea import MelleaSession
from mellea.core.hooks import fire, listens
from mellea.plugins import PluginMode, hook, plugin_scope
from mellea.testing import ScriptedBackend

__all__ = ["rows"]


def rows(plan: Plan) -> Iterator[Row]:
    """Measure a hook point with nobody, a plain observer and an asynchronous one, and whole calls."""
    (nobody,) = interleaved(plan.rounds(24), timed(_hook_point, 10_000), pick=min)
    yield Row("hook point, nobody listens", nobody * 1e6, 0, "us", "difference", 1)
    with plugin_scope(_look):
        plain = _fired(plan)
    yield Row("hook point, one plain observer", plain * 1e6, 0, "us", "difference", 20)
    with plugin_scope(_alook):
        asynchronous = _fired(plan)
    yield Row("hook point, one asynchronous observer", asynchronous * 1e6, None, "us")
    quiet, watched = MelleaSession(ScriptedBackend("x")), MelleaSession(ScriptedBackend("x"), plugins=[_look])
    heard, alone = interleaved(
        plan.rounds(24), timed(lambda: watched.act("Hi"), 100), timed(lambda: quiet.act("Hi"), 100), pick=min
    )
    yield Row("a call, one observer of generations", heard * 1e6, alone * 1e6, "us")


def _hook_point() -> bool:
    return listens("generation_pre_call")


@hook("generation_pre_call", mode=PluginMode.AUDIT)
def _look(payload: Any, ctx: Any) -> None:
    """Look at a payload."""


@hook("generation_pre_call", mode=PluginMode.AUDIT)
async def _alook(payload: Any, ctx: Any) -> None:
    """Look at a payload."""


def _fired(plan: Plan) -> float:
    """Return the seconds of one hook point at which somebody listens."""
    times = 50  # so few that some round is not interrupted

    async def several() -> None:
        for _ in range(times):
            if listens("generation_pre_call"):
                await fire(
                    "generation_pre_call",
                    generation_id="g",
                    action="Hi",
                    context=None,
                    model_options={"seed": 1},
                    format=None,
                    tool_calls=False,
                    model="m",
                    provider="p",
                    backend=None,
                )

    with asyncio.Runner() as runner:
        (seconds,) = interleaved(plan.rounds(200), timed(lambda: runner.run(several()), 1), pick=min)
    return seconds / times
