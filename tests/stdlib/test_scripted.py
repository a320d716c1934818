import pytest

from mellea import ChatContext, MelleaSession
from mellea.core import ModelOption, ServerError, UsageError
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


PIECES = ["a", "b", " ", "c", "dd"]


@pytest.mark.parametrize("latency", [0.0, 0.002])
def test_pieces_come_as_scripted_to_a_synchronous_reader(latency):
    m = MelleaSession(ScriptedBackend([PIECES] * 20, latency=latency), ChatContext())

    assert [list(m.stream_chat("hi")) for _ in range(20)] == [PIECES] * 20


@pytest.mark.parametrize("latency", [0.0, 0.002])
async def test_pieces_come_as_scripted_to_an_asynchronous_reader(latency):
    backend = ScriptedBackend([PIECES] * 20, latency=latency)

    for _ in range(20):
        thunk, _ = await backend.generate_from_context(
            "hi", SimpleContext(), model_options={ModelOption.STREAM: True}
        )
        assert [piece async for piece in thunk] == PIECES
