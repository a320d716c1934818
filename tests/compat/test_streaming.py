"""Streams and their checks, as programs of the 0.8 line write them."""

import pytest

from mellea import CBlock, ChatContext
from mellea.core import PartialValidationResult, PartialValidationSummary, Requirement
from mellea.stdlib import SentenceChunking, WordChunking, stream
from mellea.testing import ScriptedBackend


class August(Requirement):
    """Overrides ``stream_validate``, which returns one result."""

    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "bad" in chunk else "unknown", reason="bad came")


class AugustList(Requirement):
    """Returns a list."""

    async def stream_validate(self, chunk, *, backend, ctx):
        return [PartialValidationResult("unknown"), PartialValidationResult("fail", reason="bad came")][
            : 2 if "bad" in chunk else 1
        ]


class Published(Requirement):
    """Overrides ``_stream_validate``."""

    seen: list

    async def _stream_validate(self, chunk, *, backend, ctx):
        self.seen.append(chunk)
        return PartialValidationResult("fail" if "bad" in chunk else "unknown", reason="bad came")


def published(**options):
    requirement = Published("No bad.", lambda ctx: True, **options)
    requirement.seen = []
    return requirement


@pytest.mark.parametrize(
    "requirement",
    [August("r", lambda c: True), AugustList("r", lambda c: True), published()],
    ids=["august", "list", "published"],
)
async def test_check_of_either_line_stops_the_stream(requirement):
    s = await stream(
        CBlock("go"),
        ScriptedBackend([["Fine. ", "A bad one. ", "Never seen. "]]),
        ChatContext(),
        chunking="sentence",
        requirements=[requirement],
    )
    assert [chunk async for chunk in s] == ["Fine."]
    assert s.failed_early
    assert not s.completed_normally
    [(failed, result)] = s.streaming_failures
    assert result.reason == "bad came"
    assert type(failed) is type(requirement)


async def test_requirement_with_chunks_of_its_own():
    requirement = published(chunking="word")
    s = await stream(
        CBlock("go"),
        ScriptedBackend([["one two. ", "thr", "ee four."]]),
        ChatContext(),
        chunking=SentenceChunking(),
        requirements=[requirement],
    )
    async for _ in s:
        pass
    assert requirement.seen[:2] == ["one", "two."]


async def events_of(requirement, pieces):
    s = await stream(
        CBlock("go"), ScriptedBackend([pieces]), ChatContext(), requirements=[requirement], as_events=True
    )
    async with s:
        return s, [event async for event in s]


async def test_chunk_that_is_left_at_the_end_is_judged():
    requirement = published(chunking="word")

    s, events = await events_of(requirement, ["one ", "two"])

    assert requirement.seen == ["one", "two"]
    assert [type(event).__name__ for event in events[-4:]] == [
        "QuickCheckEvent",
        "StreamingDoneEvent",
        "FullValidationEvent",
        "CompletedEvent",
    ]
    assert s.completed_normally


async def test_chunk_that_is_left_at_the_end_can_fail():
    s, events = await events_of(published(chunking="word"), ["one ", "bad"])

    assert s.failed_early
    assert [
        event.passed for event in events if hasattr(event, "chunk_index") and hasattr(event, "passed")
    ] == [
        True,
        True,
        False,
    ]
    [(_, result)] = s.streaming_failures
    assert result.reason == "bad came"


async def test_results_of_an_event_are_what_was_said_of_each_chunk():
    _, events = await events_of(published(chunking="word"), ["one two bad more "])

    [summary] = events[0].results
    assert (summary.success, summary.reason) == ("fail", "bad came")
    assert [one.success for one in summary.results] == ["unknown", "unknown", "fail", "unknown"]
    assert summary.failure is summary.results[2]


async def test_own_chunks_of_a_requirement_called_directly():
    requirement = published(chunking=WordChunking())
    results = await requirement.stream_validate("one tw", backend=None, ctx=None)
    assert [result.success for result in results] == ["unknown"]
    assert requirement.seen == ["one"]
    await requirement.stream_flush(backend=None, ctx=None)
    assert requirement.seen == ["one", "tw"]
    assert await requirement.stream_validate("", backend=None, ctx=None)


@pytest.mark.parametrize(
    ("words", "success", "reason"),
    [
        ([], "unknown", None),
        (["pass", "pass"], "pass", None),
        (["pass", "unknown"], "unknown", None),
        (["pass", "fail"], "fail", "why"),
    ],
)
def test_summary_of_checks(words, success, reason):
    results = [PartialValidationResult(word, reason="why" if word == "fail" else None) for word in words]
    summary = PartialValidationSummary.from_results(results)
    assert (summary.success, summary.reason, list(summary.results)) == (success, reason, results)
    assert (summary.failure is not None) is (success == "fail")


async def test_stream_is_read_by_its_events_and_read_on():
    s = await stream(
        CBlock("go"), ScriptedBackend([["one ", "two"]]), ChatContext(), chunking="word", as_events=True
    )
    async with s:
        first = await anext(s)
        rest = [type(event).__name__ async for event in s]
    assert first.text == "one"
    assert rest == ["ChunkEvent", "StreamingDoneEvent", "CompletedEvent"]
    assert s.completed_normally
    assert s.full_text == "one two"
