import asyncio
import copy
import json
import threading

import pydantic
import pytest

from mellea.core import (
    Chunk,
    ComponentParseError,
    ComputedModelOutputThunk,
    GenerationCancelledError,
    Message,
    ModelOutputThunk,
    OutputParseError,
    RawProviderResponse,
    ServerError,
    UsageError,
)
from mellea.stdlib.context import SimpleContext
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend


class User(pydantic.BaseModel):
    name: str


class Unreadable:
    def parts(self):
        return []

    def format_for_llm(self):
        return "say something"

    def _parse(self, computed):
        raise LookupError("nothing in it")

    from mellea.core import Component

    parse = Component.parse


async def started(backend, action="hi", **kwargs):
    thunk, _ = await backend.generate_from_context(action, SimpleContext(), **kwargs)
    return thunk


async def test_output_is_pending_until_it_is_complete():
    backend = GatedBackend("a", last="b")
    thunk = await started(backend)
    assert (thunk.is_computed(), thunk.value, type(thunk)) == (False, None, ModelOutputThunk)
    backend.release.open()
    assert await thunk.avalue() == "ab"
    assert (thunk.is_computed(), thunk.value, str(thunk)) == (True, "ab", "ab")


async def test_complete_output_is_the_same_object_of_the_computed_type():
    thunk = await started(ScriptedBackend("x"))
    assert await thunk.result() is thunk
    assert type(thunk) is ComputedModelOutputThunk


async def test_text_given_at_construction_is_computed():
    thunk = ModelOutputThunk(value="x")
    assert type(thunk) is ComputedModelOutputThunk
    assert await thunk.avalue() == "x"
    assert [piece async for piece in thunk] == ["x"]


async def test_empty_text_is_a_text():
    thunk = ModelOutputThunk("")
    assert thunk.is_computed()
    assert await thunk.avalue() == ""
    assert [piece async for piece in thunk] == []
    assert await thunk.astream() == ""


async def test_many_readers_get_the_same_text():
    backend = GatedBackend("a", last="b")
    thunk = await started(backend)
    readers = [asyncio.ensure_future(thunk.avalue()) for _ in range(50)]
    await backend.reached.passed()
    backend.release.open()
    assert set(await asyncio.gather(*readers)) == {"ab"}


async def test_first_piece_is_handed_on_before_the_second_exists():
    backend = GatedBackend("first", last="last")
    pieces = aiter(await started(backend))
    assert await anext(pieces) == "first"
    assert not backend.release.is_open()
    backend.release.open()
    assert [piece async for piece in pieces] == ["last"]


async def test_each_iteration_begins_with_the_first_piece():
    backend = GatedBackend("a", "b", last="c")
    thunk = await started(backend)
    early = aiter(thunk)
    first = await anext(early)
    backend.release.open()
    await thunk.avalue()
    assert [first, *[piece async for piece in early]] == ["a", "b", "c"]
    assert "".join([piece async for piece in thunk]) == "abc"


async def test_deltas_add_up_when_the_end_comes_between_two_readings():
    backend = GatedBackend("a", last="b")
    thunk = await started(backend)
    assert await thunk.astream() == "a"
    backend.release.open()
    await thunk.avalue()
    assert await thunk.astream() == "b"
    assert await thunk.astream() == ""


async def test_delta_after_the_end_is_the_whole_text():
    thunk = await started(ScriptedBackend([["a", "b"]]))
    await thunk.avalue()
    assert await thunk.astream() == "ab"
    assert await thunk.astream() == ""


async def test_delta_waits_for_a_piece():
    backend = GatedBackend("a", last="b")
    thunk = await started(backend)
    assert await thunk.astream() == "a"
    delta = asyncio.ensure_future(thunk.astream())
    await backend.reached.passed()
    assert not delta.done()
    backend.release.open()
    assert await delta == "b"


async def test_two_delta_readers_share_the_pieces():
    backend = GatedBackend("a", last="b")
    thunk = await started(backend)
    await thunk.astream()
    readers = [asyncio.ensure_future(thunk.astream()) for _ in range(2)]
    await asyncio.sleep(0)
    backend.release.open()
    assert sorted(await asyncio.gather(*readers)) == ["", "b"]


async def test_text_so_far_can_be_looked_at():
    backend = GatedBackend("so ", "far")
    thunk = await started(backend)
    await backend.reached.passed()
    assert thunk.text == "so far"
    backend.release.open()
    await thunk.avalue()


async def test_failure_is_the_same_error_for_every_reader_now_and_later():
    error = ServerError("down")
    backend = GatedBackend("a", error=error)
    thunk = await started(backend)
    readers = [asyncio.ensure_future(thunk.avalue()) for _ in range(3)]
    await backend.reached.passed()
    backend.release.open()
    caught = await asyncio.gather(*readers, thunk.avalue(), thunk.result(), return_exceptions=True)
    assert all(each is error for each in caught)
    assert thunk.error is error
    assert (thunk.is_computed(), thunk.value) == (False, None)


async def test_pieces_before_a_failure_are_read_before_it_is_raised():
    thunk = await started(ScriptedBackend([["a", "b", ServerError("cut")]]))
    read = []
    with pytest.raises(ServerError, match="cut"):
        read.extend([piece async for piece in thunk])
    with pytest.raises(ServerError):
        await thunk.avalue()
    pieces = aiter(thunk)
    assert [await anext(pieces), await anext(pieces)] == ["a", "b"]
    assert await thunk.astream() == "ab"
    with pytest.raises(ServerError):
        await thunk.astream()


async def test_raising_again_and_again_does_not_grow_the_traceback():
    thunk = await started(ScriptedBackend([ServerError("down")]))
    depths = []
    for _ in range(3):
        with pytest.raises(ServerError) as caught:
            await thunk.avalue()
        depths.append(len(caught.traceback))
    assert depths[0] == depths[2]


async def test_cancelling_while_it_waits_stops_the_work_and_fails_the_readers():
    backend = GatedBackend("a")
    thunk = await started(backend)
    reader = asyncio.ensure_future(thunk.avalue())
    await backend.reached.passed()
    await thunk.cancel_generation()
    assert backend.stopped.is_open()
    with pytest.raises(GenerationCancelledError):
        await reader
    assert thunk.cancelled


async def test_cancelling_before_the_first_step_sends_nothing():
    backend = GatedBackend()
    thunk = await started(backend)
    await thunk.cancel_generation()
    assert backend.requests == []
    with pytest.raises(GenerationCancelledError):
        await thunk.avalue()


async def test_cancelling_can_name_the_error():
    backend, error = GatedBackend(), ServerError("too slow")
    thunk = await started(backend)
    await thunk.cancel_generation(error)
    with pytest.raises(ServerError) as caught:
        await thunk.avalue()
    assert caught.value is error
    assert not thunk.cancelled


async def test_cancelling_a_complete_output_does_nothing():
    thunk = await started(ScriptedBackend("x"))
    await thunk.avalue()
    await thunk.cancel_generation()
    assert await thunk.avalue() == "x"
    given = ModelOutputThunk("y")
    await given.cancel_generation()
    assert await given.avalue() == "y"


async def test_cancelling_twice_at_once_is_harmless():
    backend = GatedBackend("a")
    thunk = await started(backend)
    await backend.reached.passed()
    await asyncio.gather(thunk.cancel_generation(), thunk.cancel_generation(), thunk.aclose())
    assert thunk.cancelled


async def test_cancelled_reader_does_not_stop_the_generation():
    backend = GatedBackend("a", last="b")
    thunk = await started(backend)
    reader = asyncio.ensure_future(thunk.avalue())
    await backend.reached.passed()
    reader.cancel()
    backend.release.open()
    assert await thunk.avalue() == "ab"


async def test_leaving_a_block_stops_the_generation():
    backend = GatedBackend("a")
    async with await started(backend) as thunk:
        assert await thunk.astream() == "a"
    assert backend.stopped.is_open()
    assert thunk.cancelled


def test_leaving_a_synchronous_block_stops_the_generation():
    backend = GatedBackend("a")

    async def start():
        return await started(backend)

    from mellea.core.event_loop import run_sync

    with run_sync(start()) as thunk:
        backend.reached.wait()
    assert backend.stopped.is_open()
    assert thunk.cancelled


async def test_cancelled_task_of_the_generation_fails_the_readers():
    backend = GatedBackend("a")
    thunk = await started(backend)
    await backend.reached.passed()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(GenerationCancelledError):
        await thunk.avalue()


def test_output_read_after_its_loop_ended_raises_promptly():
    backend = GatedBackend("a")
    thunk = asyncio.run(started(backend))
    with pytest.raises(GenerationCancelledError):
        asyncio.run(thunk.avalue())


def test_output_of_a_loop_that_stands_still_is_refused():
    loop = asyncio.new_event_loop()
    backend = GatedBackend("a", last="b")
    thunk = loop.run_until_complete(started(backend))
    with pytest.raises(UsageError, match="does not run"):
        asyncio.run(thunk.avalue())
    backend.release.open()
    assert loop.run_until_complete(thunk.avalue()) == "ab"
    loop.close()


async def test_output_that_nobody_makes_is_refused():
    with pytest.raises(UsageError, match="can never be complete"):
        await ModelOutputThunk().avalue()


async def test_complete_output_lets_its_loop_go():
    backend = ScriptedBackend("x")
    thunk = await started(backend)
    await thunk.avalue()
    await asyncio.sleep(0)
    assert asyncio.get_running_loop() not in vars(thunk).values()


def test_readers_in_other_loops_and_threads_get_the_text_and_the_pieces():
    backend = GatedBackend("a", last="b")
    out: dict[int, object] = {}
    waiting = [Gate() for _ in range(4)]

    async def read(thunk, index):
        pieces = aiter(thunk)
        first = await anext(pieces)
        waiting[index].open()
        rest = [piece async for piece in pieces]
        out[index] = (first, rest, await thunk.avalue())

    async def main():
        thunk = await started(backend)
        threads = [threading.Thread(target=asyncio.run, args=(read(thunk, index),)) for index in range(4)]
        for thread in threads:
            thread.start()
        for gate in waiting:
            await gate.passed()
        backend.release.open()
        await thunk.avalue()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])

    asyncio.run(main())
    assert list(out.values()) == [("a", ["b"], "ab")] * 4


def test_cancelling_from_another_loop_waits_for_the_end_of_the_work():
    backend = GatedBackend("a")

    async def main():
        thunk = await started(backend)
        await backend.reached.passed()
        await asyncio.to_thread(asyncio.run, thunk.cancel_generation())
        assert backend.stopped.is_open()
        with pytest.raises(GenerationCancelledError):
            await thunk.avalue()

    asyncio.run(main())


def test_pieces_can_be_read_by_a_plain_loop():
    backend = GatedBackend("a", last="b")

    async def start():
        return await started(backend)

    from mellea.core.event_loop import run_sync

    pieces = iter(run_sync(start()))
    assert next(pieces) == "a"
    backend.release.open()
    assert list(pieces) == ["b"]


def test_plain_loop_raises_the_failure_after_the_pieces():
    from mellea.core.event_loop import run_sync

    thunk = run_sync(started(ScriptedBackend([["a", ServerError("cut")]])))
    pieces = iter(thunk)
    assert next(pieces) == "a"
    with pytest.raises(ServerError, match="cut"):
        next(pieces)
    assert next(iter(thunk)) == "a"


async def test_complete_output_can_be_copied():
    thunk = await started(ScriptedBackend('{"name": "Ada"}'), format=User)
    await thunk.avalue()
    for twin in (copy.copy(thunk), copy.deepcopy(thunk)):
        assert twin is not thunk
        assert (twin.value, twin.parsed, twin.generation) == (thunk.value, thunk.parsed, thunk.generation)
        assert type(twin) is ComputedModelOutputThunk


def test_deep_copy_shares_nothing_that_can_change():
    thunk = ModelOutputThunk("x", {"notes": []}, parsed_repr=["x"])
    twin = copy.deepcopy(thunk)
    twin.parsed_repr.append("y")
    assert thunk.parsed_repr == ["x"]


async def test_incomplete_output_cannot_be_copied():
    thunk = await started(GatedBackend())
    with pytest.raises(UsageError, match="cannot be copied"):
        copy.copy(thunk)
    await thunk.cancel_generation()
    with pytest.raises(GenerationCancelledError):
        copy.deepcopy(thunk)


async def test_text_means_itself():
    thunk = await (await started(ScriptedBackend("x"))).result()
    assert (thunk.parsed, thunk.parsed_repr) == ("x", "x")


async def test_answer_to_a_message_is_a_message():
    thunk = await (await started(ScriptedBackend("x"), Message("user", "hi"))).result()
    assert thunk.parsed == Message("assistant", "x")
    assert thunk.parsed_repr is thunk.parsed_repr


async def test_format_gives_an_instance_that_stays_the_same():
    thunk = await (await started(ScriptedBackend('{"name": "Ada"}'), format=User)).result()
    assert thunk.parsed == User(name="Ada")
    assert thunk.parsed is thunk.parsed


async def test_format_as_a_json_schema_gives_plain_values():
    thunk = await (await started(ScriptedBackend('{"name": "Ada"}'), format={"type": "object"})).result()
    assert thunk.parsed == {"name": "Ada"}


async def test_text_that_does_not_fit_the_format_is_an_error_when_it_is_read():
    thunk = await (await started(ScriptedBackend("hello"), format=User)).result()
    for _ in range(2):
        with pytest.raises(OutputParseError):
            _ = thunk.parsed
    assert thunk.value == "hello"


async def test_component_that_cannot_read_its_answer_is_named():
    thunk = await (await started(ScriptedBackend("hello"), Unreadable())).result()
    with pytest.raises(
        ComponentParseError, match="Unreadable could not parse the output 'hello': nothing in it"
    ) as caught:
        _ = thunk.parsed_repr
    assert isinstance(caught.value.__cause__, LookupError)


async def test_result_of_an_incomplete_output_is_refused():
    thunk = await started(GatedBackend())
    assert thunk.parsed_repr is None
    with pytest.raises(UsageError, match="Await the thunk first"):
        _ = thunk.parsed
    await thunk.cancel_generation()
    with pytest.raises(GenerationCancelledError):
        _ = thunk.parsed


async def test_what_is_known_of_a_generation_is_kept():
    thunk = await (await started(ScriptedBackend("two words"), "three words here")).result()
    known = thunk.generation
    assert (known.model, known.provider, known.finish_reasons) == ("script", "scripted", ("stop",))
    assert known.usage["total_tokens"] == 5
    assert known.ttfb_ms >= 0
    assert known.seconds >= 0


async def test_log_shows_what_was_sent():
    log = (
        await (await started(ScriptedBackend("x"), "hi", model_options={"top_k": 1})).result()
    ).generate_log
    assert log.prompt == [{"role": "user", "content": "hi"}]
    assert (log.backend, log.model_options, log.model_output) == ("scripted", {"top_k": 1}, "x")
    assert json.dumps(log.prompt)


def test_output_of_no_backend_has_no_log():
    assert ModelOutputThunk("x").generate_log is None
    assert ModelOutputThunk("x").raw == RawProviderResponse()


def test_repr_says_in_which_state_it_is():
    assert repr(ModelOutputThunk("x")) == "<ComputedModelOutputThunk computed: 'x'>"
    assert repr(ModelOutputThunk()) == "<ModelOutputThunk pending: ''>"


class Thinking(ScriptedBackend):
    async def stream_chat(self, request):
        yield Chunk(thinking="hm, ", response_id="1", response_model="real")
        yield Chunk(thinking="well")
        yield Chunk(text="yes", raw={"last": True}, response_id="2", response_model="other")


async def test_reasoning_and_provider_values_are_kept_apart_from_the_text():
    thunk = await (await started(Thinking())).result()
    assert (thunk.value, thunk.thinking) == ("yes", "hm, well")
    assert (thunk.generation.response_id, thunk.generation.response_model) == ("1", "real")
    assert (thunk.raw.provider, thunk.raw.response) == ("scripted", {"last": True})
