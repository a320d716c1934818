"""What it costs to run code in a sandbox.

The lowest of several rounds counts for the row in milliseconds: unlike a ratio, it has all the noise of the
machine in it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import Plan, interleaved, timed
from benchmarks.table import Row
from mellea.stdlib.sandbox import open_sandbox

__all__ = ["rows"]

_CODE = "print(sum(range(100)))"


def rows(plan: Plan) -> Iterator[Row]:
    """Measure runs in ``monty`` and ``landlock``, and opening the latter."""
    with open_sandbox("monty") as monty:
        (ours,) = interleaved(plan.rounds(24), timed(lambda: monty.run(_CODE), 20), pick=min)
    yield Row("monty: a run", ours * 1e3, 0, "ms", "difference", 2)
    with open_sandbox("landlock") as landlock:
        ours, plain = interleaved(plan.rounds(24), timed(lambda: landlock.run(_CODE), 1), timed(_plain, 1))
    yield Row("landlock: a run of Python, over a plain subprocess", ours * 1e3, plain * 1e3, "ms", bound=2.5)
    (opening,) = interleaved(plan.rounds(8), timed(lambda: open_sandbox("landlock").close(), 1))
    yield Row("landlock: opening, every clause tried", opening * 1e3, None, "ms")


def _plain() -> None:
    subprocess.run([sys.executable, "-c", _CODE], capture_output=True, check=True)
