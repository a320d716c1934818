import pytest

from mellea.core import ServerError, UsageError
from mellea.stdlib.context import SimpleContext
from mellea.testing import ScriptedBackend


async def ask(backend, text="hi"):
    thunk, _ = await backend.generate_from_context(text, SimpleContext())
    return await thunk.avalue()


async def test_answers_come_one_after_the_other():
    backend = ScriptedBackend(["a", ["b", "c"], lambda request: request.messages[0].content.upper()])
    assert [await ask(backend), await ask(backend), await ask(backend, "loud")] == ["a", "bc", "LOUD"]


async def test_one_text_answers_every_call():
    backend = ScriptedBackend("same")
    assert [await ask(backend) for _ in range(3)] == ["same"] * 3


async def test_script_that_is_over_says_so():
    backend = ScriptedBackend(["a"])
    await ask(backend)
    with pytest.raises(UsageError, match="no answer number 2"):
        await ask(backend)


async def test_every_kind_of_answer_serves_plain_completion_too():
    backend = ScriptedBackend(["a", ["b", "c"], lambda request: str(len(request.prompts))])
    assert [thunk.value for thunk in await backend.generate_from_raw(["x", "y", "z"])] == ["a", "bc", "3"]


async def test_error_in_the_script_is_raised_in_both_ways_of_asking():
    with pytest.raises(ServerError):
        await ask(ScriptedBackend([["a", ServerError("cut")]]))
    with pytest.raises(ServerError):
        await ScriptedBackend([["a", ServerError("cut")]]).generate_from_raw(["x"])
