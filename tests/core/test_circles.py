"""A call's memory goes with its last reference, and leaves nothing to the garbage collector."""

import subprocess
import sys

ALONE = """
import asyncio, gc
from mellea import start_session
from mellea.testing import ScriptedBackend

async def main():
    async with start_session(ScriptedBackend("Hello.")) as session:
        await session.achat("Hi!")
        gc.collect()
        gc.disable()
        for _ in range(10):
            await session.achat("Hi!")
        print(gc.collect())

asyncio.run(main())
"""


def test_a_call_leaves_no_circles_behind_for_the_garbage_collector():
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=120, check=True
    )  # by itself, since other tests leave threads that make some

    assert done.stdout == "0\n"
