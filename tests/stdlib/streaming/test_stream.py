"""Streams whose text is checked while it is written."""

import asyncio
import contextlib
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mellea.core import (
    Capability,
    ModelOption,
    PartialValidationResult,
    Requirement,
    UsageError,
    ValidationResult,
)
from mellea.core.event_loop import run_sync
from mellea.stdlib import streaming
from mellea.stdlib.chunking import SentenceChunking, WordChunking
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import avoids, check, req, simple_validate, word_count
from mellea.stdlib.streaming import (
    ChunkEvent,
    CompletedEvent,
    FullValidationEvent,
    QuickCheckEvent,
    StreamEvent,
    StreamingDoneEvent,
    stream,
)
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend
from tests.stdlib.streaming.requirements_of_streams import Looking, Remembering, Without


async def streamed(pieces, **kwargs):
    backend = kwargs.pop("backend", None) or ScriptedBackend([pieces])
    return await stream(Instruction("Write."), backend, SimpleContext(), **kwargs)


async def collected(iterable):
    return [value async for value in iterable]


@pytest.mark.parametrize(
    ("chunking", "expected"),
    [
        (None, ["One two. Th", "ree.\n\nFour", "."]),
        ("word", ["One", "two.", "Three.", "Four."]),
        ("sentence", ["One two.", "Three.", "Four."]),
        ("paragraph", ["One two. Three.", "Four."]),
    ],
)
async def test_chunks_are_cut_as_asked(chunking, expected):
    streamer = await streamed(["One two. Th", "ree.\n\nFour", "."], chunking=chunking)

    assert await collected(streamer) == expected
    assert streamer.full_text == "One two. Three.\n\nFour."


async def test_first_chunk_comes_before_the_generation_ends():
    backend = GatedBackend("Hello ", "there ", last="end")
    streamer = await streamed([], backend=backend, chunking="word")

    async with streamer:
        assert await anext(aiter(streamer)) == "Hello"
        assert not backend.release.is_open()


@settings(deadline=None)
@given(
    pieces=st.lists(st.text(alphabet="aé😀 .\n", max_size=4), max_size=8),
    chunking=st.sampled_from(
        [None, WordChunking(keep_separators=True), SentenceChunking(keep_separators=True)]
    ),
)
def test_chunks_join_to_the_text_of_the_model(pieces, chunking):
    async def chunks():
        streamer = await streamed(pieces, chunking=chunking)
        return "".join(await collected(streamer)), streamer.full_text

    joined, full_text = asyncio.run(chunks())
    assert full_text == "".join(pieces)
    assert full_text.startswith(joined)
    assert not full_text[len(joined) :].strip()


async def test_failing_chunk_is_not_delivered_and_stops_the_provider():
    backend = GatedBackend("Fine. ", "A bad thing. ", "More")
    streamer = await streamed([], backend=backend, chunking="sentence", requirements=[Without("bad")])

    assert await collected(streamer) == ["Fine."]
    assert backend.stopped.is_open()
    assert not backend.release.is_open()
    assert (streamer.failed_early, streamer.completed_normally, streamer.success) == (True, False, False)
    assert streamer.failure_reason == "No bad: bad came"
    assert [(requirement.word, verdict.reason) for requirement, verdict in streamer.streaming_failures] == [
        ("bad", "bad came")
    ]
    assert streamer.final_validations == []
    assert streamer.mot.cancelled


async def test_generation_is_stopped_before_the_reader_is_told():
    backend = GatedBackend("bad ", "x")
    streamer = await streamed([], backend=backend, chunking="word", requirements=[Without("bad")])

    event = await anext(aiter(streamer.events()))

    assert isinstance(event, QuickCheckEvent)
    assert not event.passed
    assert backend.stopped.is_open()


async def test_events_tell_everything_in_order():
    requirement = Without("bad")
    streamer = await streamed(
        ["One ", "two"], chunking="word", requirements=[requirement, check("b", lambda ctx: True)]
    )

    events = await collected(streamer.events())

    unknown = (PartialValidationResult("unknown"),) * 2
    assert events == [
        QuickCheckEvent(0, 1, True, unknown),
        ChunkEvent("One", 0, 1),
        QuickCheckEvent(1, 1, True, unknown),
        ChunkEvent("two", 1, 1),
        StreamingDoneEvent(1, "One two"),
        FullValidationEvent(1, True, tuple(streamer.final_validations)),
        CompletedEvent(True, "One two", 1),
    ]
    assert all(isinstance(event, StreamEvent) and event.timestamp > 0 for event in events)


async def test_events_can_be_read_again_after_the_end():
    streamer = await streamed(["One ", "two"])

    first = await collected(streamer.events())

    assert await collected(streamer.events()) == first
    assert await collected(streamer) == ["One ", "two"]


async def test_failed_final_validation_is_no_success():
    """A stream may be read to its end and still be no success, if the whole text is refused."""
    streamer = await streamed(
        ["fine"], requirements=[check("upper", simple_validate(str.isupper, reason="small letters"))]
    )

    events = await collected(streamer.events())

    assert events[-1] == CompletedEvent(False, "fine", 1)
    assert (streamer.success, streamer.completed_normally, streamer.failed_early) == (False, True, False)
    assert streamer.failure_reason == "upper: small letters"
    assert [bool(result) for result in streamer.final_validations] == [False]


async def test_options_format_and_requirements_go_with_a_stream():
    """A checked stream takes what any other call takes."""

    class User(BaseModel):
        name: str

    backend = ScriptedBackend(
        [['{"name": ', '"Ada"}']], capabilities=[Capability.STREAMING, Capability.JSON_SCHEMA]
    )
    streamer = await streamed(
        [],
        backend=backend,
        format=User,
        model_options={ModelOption.TEMPERATURE: 0.5},
        requirements=[req("named", lambda ctx: True)],
    )

    await streamer.acomplete()

    assert streamer.parsed == User(name="Ada")
    request = backend.requests[0]
    assert (request.schema.model, request.options["temperature"], request.stream) == (User, 0.5, True)


async def test_tools_that_the_backend_lacks_are_refused_before_the_request():
    """A checked stream asks for tools like any other call."""
    backend = ScriptedBackend("x")

    with pytest.raises(UsageError, match="tools"):
        await streamed([], backend=backend, tool_calls=True)

    assert backend.requests == []


async def test_text_that_does_not_fit_the_format_is_no_success():
    class User(BaseModel):
        name: str

    streamer = await streamed(['{"name"'], format=User)

    await streamer.acomplete()

    assert not streamer.success
    assert "User" in streamer.failure_reason


async def test_judges_are_asked_once_at_the_end():
    judge = ScriptedBackend(["no, it is rude"])
    streamer = await streamed(
        ["Go ", "away"], chunking="word", requirements=["Be polite."], validation_backend=judge
    )

    await streamer.acomplete()

    assert len(judge.requests) == 1
    assert streamer.failure_reason == "Be polite: no, it is rude"


async def test_checks_get_the_validation_backend_and_the_conversation():
    seen = []

    async def look(chunk, backend, ctx):
        seen.append((chunk, backend, ctx.last_output() is not None))
        return PartialValidationResult("unknown")

    judge = ScriptedBackend("yes")
    streamer = await streamed(["One"], requirements=[Looking(look)], validation_backend=judge)
    await streamer.acomplete()

    assert seen == [("One", judge, True)]


async def test_a_failure_spares_slower_checks():
    started, never = Gate(), Gate()

    async def slow(chunk, backend, ctx):
        started.open()
        await never.passed()

    async def failing(chunk, backend, ctx):
        await started.passed()
        return PartialValidationResult("fail", reason="no")

    streamer = await streamed(["One"], requirements=[Looking(slow), Looking(failing)])

    assert await collected(streamer) == []
    assert [result.success for result in (await collected(streamer.events()))[0].results] == [
        "unknown",
        "fail",
    ]
    assert len(asyncio.all_tasks()) == 1


async def test_checks_of_one_chunk_run_side_by_side():
    gates = [Gate(), Gate()]

    def meeting(own, other):
        async def look(chunk, backend, ctx):
            own.open()
            await other.passed()
            return PartialValidationResult("pass")

        return Looking(look)

    streamer = await streamed(["One"], requirements=[meeting(*gates), meeting(*reversed(gates))])

    assert await collected(streamer) == ["One"]


async def test_check_that_raises_is_a_failed_check_that_is_named():
    async def broken(chunk, backend, ctx):
        raise KeyError("oops")

    streamer = await streamed(["One"], requirements=[Looking(broken)])

    assert await collected(streamer) == []
    assert "KeyError" in streamer.failure_reason


async def test_check_that_returns_no_verdict_is_a_failed_check():
    async def nonsense(chunk, backend, ctx):
        return True

    streamer = await streamed(["One"], requirements=[Looking(nonsense)])
    await streamer.acomplete()

    assert "returned bool" in streamer.failure_reason


async def test_what_a_requirement_remembers_is_its_streams_own():
    seen = []
    requirement = Remembering(seen)
    backend = ScriptedBackend([["a", "b"], ["c", "d"]])

    first = await streamed([], backend=backend, requirements=[requirement])
    second = await streamed([], backend=backend, requirements=[requirement])
    await asyncio.gather(first.acomplete(), second.acomplete())

    assert sorted(seen) == [("a",), ("a", "b"), ("c",), ("c", "d")]
    assert requirement.seen == ()


async def test_results_name_the_requirements_that_were_given():
    requirement = check("fine", lambda ctx: True)
    streamer = await streamed(["x"], requirements=[requirement])
    await streamer.acomplete()

    assert streamer.attempts[0].results[0][0] is requirement
    assert streamer.result.success


async def test_library_requirements_stop_a_stream_by_themselves():
    backend = GatedBackend("one two ", "three four ", "five ")
    streamer = await streamed(
        [], backend=backend, chunking="word", requirements=[word_count(at_most=3), avoids("never")]
    )

    assert await collected(streamer) == ["one", "two", "three"]
    assert streamer.full_text == "one two three"
    assert streamer.failure_reason == "Use at most 3 words: it has more than 3 words"


async def test_word_to_avoid_is_never_seen_by_the_reader_and_longer_words_pass():
    streamer = await streamed(
        ["A cate", "gory of c", "at", " food"], chunking="word", requirements=[avoids("cat")]
    )

    assert await collected(streamer) == ["A", "category", "of"]


async def test_word_to_avoid_at_the_very_end_is_found():
    streamer = await streamed(["a c", "at"], chunking="word", requirements=[avoids("cat")])

    assert await collected(streamer) == ["a"]
    assert streamer.failed_early


async def test_empty_output_is_validated_like_any_other():
    streamer = await streamed([], requirements=[check("something", simple_validate(bool))])

    events = await collected(streamer.events())

    assert [type(event) for event in events] == [StreamingDoneEvent, FullValidationEvent, CompletedEvent]
    assert not streamer.success


async def test_stream_without_requirements_only_streams():
    streamer = await streamed(["a"])

    assert [type(event) for event in await collected(streamer.events())] == [
        ChunkEvent,
        StreamingDoneEvent,
        CompletedEvent,
    ]
    assert streamer.success


async def test_backend_without_streaming_gives_one_piece():
    streamer = await streamed([], backend=ScriptedBackend("One two.", capabilities=[]))

    assert await collected(streamer) == ["One two."]


async def test_context_goes_on_with_the_output():
    backend = ScriptedBackend([["Hi"]])
    streamer = await stream("Hello", backend, ChatContext())
    await streamer.acomplete()

    assert [str(span) for span in streamer.context.as_list()] == ["Hello", "Hi"]
    assert streamer.context.last_output() is streamer.mot


async def test_two_streams_share_nothing():
    backend = ScriptedBackend([["a", "b"], ["c", "d"]])
    first, second = await streamed([], backend=backend), await streamed([], backend=backend)

    texts = await asyncio.gather(collected(first), collected(second))

    assert texts == [["a", "b"], ["c", "d"]]
    assert first.streaming_id != second.streaming_id


def test_streams_are_read_synchronously():
    streamer = run_sync(streamed(["One ", "two"], requirements=[Without("bad")]), starts_only=True)

    assert "".join(streamer) == "One two"
    assert [event.success for event in streamer.events() if isinstance(event, CompletedEvent)] == [True]
    assert streamer.complete() is streamer


def test_leaving_a_synchronous_loop_stops_the_generation():
    backend = GatedBackend("One ", "two ")
    streamer = run_sync(streamed([], backend=backend), starts_only=True)

    with contextlib.closing(iter(streamer)) as chunks:
        assert next(chunks) == "One "

    backend.stopped.wait()
    assert streamer.mot.cancelled


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"chunking": "line"}, "sentence"),
        ({"chunking": ["word"]}, "ChunkingStrategy"),
        ({"loop_budget": 0}, "loop_budget"),
        ({"requirements": "short"}, "list"),
        ({"requirements": [3]}, "int"),
        ({"format": 3}, "output format"),
    ],
)
async def test_wrong_call_is_our_error_before_the_request(kwargs, words):
    backend = ScriptedBackend("x")

    with pytest.raises(UsageError, match=words):
        await streamed([], backend=backend, **kwargs)

    assert backend.requests == []


async def test_callers_values_are_left_alone():
    requirements, options = [Without("bad"), "Be kind."], {ModelOption.TEMPERATURE: 0.1}
    judge = ScriptedBackend("yes")
    await (
        await streamed(["x"], requirements=requirements, model_options=options, validation_backend=judge)
    ).acomplete()

    assert [type(entry) for entry in requirements] == [Without, str]
    assert options == {ModelOption.TEMPERATURE: 0.1}


def test_events_are_frozen():
    with pytest.raises(AttributeError):
        ChunkEvent("a", 0, 1).text = "b"


async def test_requirement_that_keeps_the_default_looks_at_no_chunk():
    streamer = await streamed(["a"], requirements=[Requirement("x", lambda ctx: ValidationResult(True))])

    assert not [event for event in await collected(streamer.events()) if isinstance(event, QuickCheckEvent)]


@pytest.mark.parametrize(
    "name",
    [
        "ChunkEvent",
        "CompletedEvent",
        "ErrorEvent",
        "FullValidationEvent",
        "QuickCheckEvent",
        "StreamEvent",
        "Streamer",
        "StreamingDoneEvent",
        "stream",
    ],
)
def test_names_of_the_reference_are_importable(name):
    assert getattr(streaming, name).__module__.startswith("mellea.stdlib.streaming")


def test_package_shows_what_it_lists():
    shown = {
        name
        for name, value in vars(streaming).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert shown == set(streaming.__all__)


async def test_stream_that_nobody_reads_leaves_a_complete_output():
    streamer = await streamed(["One ", "two"], requirements=[Without("bad")])

    await streamer.mot.avalue()

    assert len(asyncio.all_tasks()) == 1
    assert (streamer.success, streamer.attempts, streamer.failure_reason) == (False, (), None)
    assert (await streamer.acomplete()).success


async def test_outcome_before_any_attempt_is_over_is_our_error():
    streamer = await streamed(["One"])

    with pytest.raises(UsageError, match="Read it to the end"):
        _ = streamer.result

    assert "under way" in repr(streamer)
