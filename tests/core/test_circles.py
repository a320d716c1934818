import gc

from mellea import start_session
from mellea.testing import ScriptedBackend


async def test_a_call_leaves_no_circles_behind_for_the_garbage_collector():
    async with start_session(ScriptedBackend("Hello.")) as session:
        await session.achat("Hi!")
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await session.achat("Hi!")
            left = gc.collect()
        finally:
            gc.enable()

    assert left == 0
