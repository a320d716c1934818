"""How a stream ends when something goes wrong, or when its reader leaves."""

import asyncio
from contextlib import aclosing

import pytest

from mellea.core import (
    GenerationCancelledError,
    ModelOption,
    PartialValidationResult,
    RateLimitError,
    ServerError,
    UsageError,
)
from mellea.core.errors import ProviderTimeoutError
from mellea.core.event_loop import run_sync
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.streaming import ChunkEvent, ErrorEvent, RetryEvent, stream
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend
from tests.stdlib.streaming.requirements_of_streams import Looking, Without


async def kept(iterable, values):
    """Append the values to a list, so that they are there if the iteration raises."""
    async for value in iterable:
        values.append(value)


async def collected(iterable):
    return [value async for value in iterable]


def other_tasks():
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_provider_error_in_the_middle_is_told_and_raised():
    backend = ScriptedBackend([["One ", ServerError("The server broke.")]])
    streamer = await stream("x", backend, SimpleContext(), loop_budget=3)
    events = []

    with pytest.raises(ServerError):
        await kept(streamer.events(), events)

    assert events == [ChunkEvent("One ", 0, 1), ErrorEvent("ServerError", "The server broke.")]
    assert (streamer.success, streamer.failure_reason) == (False, "The server broke.")
    assert not other_tasks()


async def test_error_is_raised_for_every_later_reader():
    streamer = await stream("x", ScriptedBackend([RateLimitError("Too many.")]), SimpleContext())

    with pytest.raises(RateLimitError):
        await collected(streamer)

    with pytest.raises(RateLimitError):
        await streamer.acomplete()


async def test_error_of_the_second_attempt_ends_the_stream():
    backend = ScriptedBackend([["So bad"], ServerError("The server broke.")])
    streamer = await stream("x", backend, SimpleContext(), requirements=[Without("bad")], loop_budget=3)
    events = []

    with pytest.raises(ServerError):
        await kept(streamer.events(), events)

    assert [type(event) for event in events[-2:]] == [RetryEvent, ErrorEvent]


async def test_judge_that_cannot_be_asked_is_an_error():
    judge = ScriptedBackend([ServerError("The judge broke.")])
    streamer = await stream(
        "x", ScriptedBackend("fine"), SimpleContext(), requirements=["Be kind."], validation_backend=judge
    )

    with pytest.raises(ServerError, match="judge"):
        await streamer.acomplete()


async def test_provider_error_in_a_quick_check_is_an_error_and_stops_the_other_checks():
    waits, never = Gate(), Gate()

    async def slow(chunk, backend, ctx):
        waits.open()
        await never.passed()

    async def broken(chunk, backend, ctx):
        await waits.passed()
        raise ServerError("The judge broke.")

    backend = GatedBackend("One ")
    streamer = await stream("x", backend, SimpleContext(), requirements=[Looking(slow), Looking(broken)])

    with pytest.raises(ServerError, match="judge"):
        await streamer.acomplete()

    assert backend.stopped.is_open()
    assert not other_tasks()


async def test_silent_provider_is_a_time_out():
    streamer = await stream(
        "x", GatedBackend("One "), SimpleContext(), model_options={ModelOption.STREAM_TIMEOUT: 0.01}
    )

    with pytest.raises(ProviderTimeoutError):
        await streamer.acomplete()

    assert not other_tasks()


async def test_closing_the_events_early_stops_the_generation():
    backend = GatedBackend("One ", "two ")
    streamer = await stream("x", backend, SimpleContext())

    async with aclosing(aiter(streamer.events())) as events:
        await anext(events)

    assert backend.stopped.is_open()
    assert not other_tasks()
    assert streamer.full_text == "One "


async def test_breaking_out_of_the_loop_stops_the_generation():
    backend = GatedBackend("One ", "two ")
    streamer = await stream("x", backend, SimpleContext())

    async for _ in streamer:
        break

    await backend.stopped.passed()
    assert streamer.mot.cancelled


async def test_block_that_is_left_closes_the_stream():
    backend = GatedBackend("One ")

    async with await stream("x", backend, SimpleContext()) as streamer:
        pass

    with pytest.raises(GenerationCancelledError, match="closed"):
        await streamer.acomplete()
    assert not other_tasks()


async def test_cancelled_reader_stops_the_generation():
    backend = GatedBackend("One ")
    streamer = await stream("x", backend, SimpleContext())
    reader = asyncio.create_task(streamer.acomplete())
    await backend.reached.passed()

    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader

    assert backend.stopped.is_open()
    assert not other_tasks()


async def test_reader_that_is_cancelled_during_a_check_leaves_no_check_behind():
    looking, never = Gate(), Gate()

    async def look(chunk, backend, ctx):
        looking.open()
        await never.passed()

    streamer = await stream(
        "x", GatedBackend("One "), SimpleContext(), requirements=[Looking(look), Looking(look)]
    )
    reader = asyncio.create_task(streamer.acomplete())
    await looking.passed()

    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader

    assert not other_tasks()


async def test_closing_from_elsewhere_frees_the_reader():
    backend = GatedBackend("One ")
    streamer = await stream("x", backend, SimpleContext())
    reader = asyncio.create_task(streamer.acomplete())
    await backend.reached.passed()

    await streamer.aclose()

    with pytest.raises(GenerationCancelledError):
        await reader
    assert not other_tasks()


async def test_stream_that_is_closed_during_a_check_begins_no_other_attempt():
    looking, go_on = Gate(), Gate()

    async def look(chunk, backend, ctx):
        looking.open()
        await go_on.passed()
        return PartialValidationResult("fail")

    backend = GatedBackend("One ")
    streamer = await stream("x", backend, SimpleContext(), requirements=[Looking(look)], loop_budget=2)
    reader = asyncio.create_task(streamer.acomplete())
    await looking.passed()

    await streamer.aclose()
    go_on.open()

    with pytest.raises(GenerationCancelledError):
        await reader
    assert len(backend.requests) == 1


async def test_cancelled_output_is_an_error_for_the_reader():
    backend = GatedBackend("One ")
    streamer = await stream("x", backend, SimpleContext())

    await streamer.mot.cancel_generation()

    with pytest.raises(GenerationCancelledError):
        await streamer.acomplete()


async def test_two_readers_at_once_are_refused():
    backend = GatedBackend("One ")
    streamer = await stream("x", backend, SimpleContext())
    reader = asyncio.create_task(streamer.acomplete())
    await backend.reached.passed()

    with pytest.raises(UsageError, match="Somebody else"):
        await streamer.acomplete()

    backend.release.open()
    assert (await reader).full_text == "One end"


async def test_closing_what_is_over_changes_nothing():
    streamer = await stream("x", ScriptedBackend("fine"), SimpleContext())
    await streamer.acomplete()

    await streamer.aclose()

    assert streamer.success
    assert str(streamer.mot) == "fine"


async def test_reading_synchronously_what_the_blocked_loop_would_write_is_our_error():
    streamer = await stream("x", GatedBackend("One "), SimpleContext())

    with pytest.raises(UsageError, match="event loop that this synchronous call blocks"):
        list(streamer)


def test_stream_of_the_librarys_loop_is_read_from_another_loop():
    streamer = run_sync(stream("x", ScriptedBackend([["One ", "two"]]), SimpleContext()), starts_only=True)

    assert "".join(asyncio.run(collected(streamer))) == "One two"


def test_restart_is_begun_on_another_loop_than_the_first_attempt():
    backend = ScriptedBackend([["bad"], ["fine"]])
    checks = [Without("bad")]
    streamer = run_sync(
        stream("x", backend, SimpleContext(), requirements=checks, loop_budget=2), starts_only=True
    )

    assert asyncio.run(collected(streamer)) == ["fine"]
    assert list(streamer) == ["fine"]
