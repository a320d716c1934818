"""Streams whose failed attempts are repaired and started again."""

import pytest
from pydantic import BaseModel

from mellea.core import Message, ModelOption
from mellea.core.errors import StreamRestartedError
from mellea.core.event_loop import run_sync
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import avoids, check, simple_validate
from mellea.stdlib.sampling import MultiTurnStrategy, RejectionSamplingStrategy
from mellea.stdlib.streaming import ChunkEvent, CompletedEvent, FullValidationEvent, RetryEvent, stream
from mellea.testing import ScriptedBackend
from tests.stdlib.streaming.requirements_of_streams import Remembering, Without

STOPPED_THEN_FINE = [["Good. ", "So bad. ", "More."], ["All ", "fine."]]


async def streamed(answers, ctx=None, **kwargs):
    backend = ScriptedBackend(answers)
    kwargs = {"chunking": "sentence", "requirements": [Without("bad")], "loop_budget": 2, **kwargs}
    return await stream(Instruction("Write."), backend, ctx or SimpleContext(), **kwargs), backend


async def kept(iterable, values):
    """Append the values to a list, so that they are there if the iteration raises."""
    async for value in iterable:
        values.append(value)


async def collected(iterable):
    return [value async for value in iterable]


async def test_restart_is_told_by_an_event():
    streamer, _ = await streamed(STOPPED_THEN_FINE)

    events = await collected(streamer.events())

    told = [event for event in events if isinstance(event, ChunkEvent | RetryEvent | CompletedEvent)]
    assert told == [
        ChunkEvent("Good.", 0, 1),
        RetryEvent(1, "No bad: bad came"),
        ChunkEvent("All fine.", 0, 2),
        CompletedEvent(True, "All fine.", 2),
    ]
    assert (streamer.success, streamer.full_text, streamer.failure_reason) == (True, "All fine.", None)


async def test_text_of_two_attempts_is_never_mixed():
    streamer, _ = await streamed(STOPPED_THEN_FINE)
    seen = []

    with pytest.raises(StreamRestartedError, match="bad came"):
        await kept(streamer, seen)

    assert seen == ["Good."]
    assert await collected(streamer) == ["All fine."]
    assert streamer.success


async def test_restart_before_anything_was_delivered_is_no_error():
    streamer, _ = await streamed([["So bad. ", "More."], ["Fine."]])

    assert await collected(streamer) == ["Fine."]


async def test_reading_again_after_the_end_gives_the_last_attempt_only():
    streamer, _ = await streamed(STOPPED_THEN_FINE)
    await streamer.acomplete()

    assert await collected(streamer) == ["All fine."]


def test_synchronous_reader_is_told_too():
    streamer, _ = run_sync(streamed(STOPPED_THEN_FINE), starts_only=True)

    with pytest.raises(StreamRestartedError, match="Attempt 1 is withdrawn"):
        list(streamer)

    assert list(streamer) == ["All fine."]
    assert [event.attempt for event in streamer.events() if isinstance(event, RetryEvent)] == [1]


async def test_model_is_told_the_reason():
    streamer, backend = await streamed(STOPPED_THEN_FINE)
    await streamer.acomplete()

    assert "No bad. (bad came)" in backend.requests[1].messages[-1].content


async def test_model_is_not_shown_the_text_that_it_would_repeat():
    good = "A long and good sentence. " * 10
    streamer, backend = await streamed([[good, "So bad. ", "Never seen."], "Fine."])
    await streamer.acomplete()

    prompt = backend.requests[1].messages[-1].content
    assert "No bad. (bad came)" in prompt
    assert "sentence" not in prompt
    assert "Never seen." not in prompt


async def test_checks_that_were_spared_are_no_reasons():
    streamer, backend = await streamed(
        STOPPED_THEN_FINE, requirements=["Be kind.", Without("bad")], validation_backend=YES
    )
    await streamer.acomplete()

    assert "Be kind" not in backend.requests[1].messages[-1].content
    assert streamer.attempts[0].results[0][1].skipped


YES = ScriptedBackend("yes")


async def test_failed_final_validation_is_repaired_too():
    lower = check("Small letters.", simple_validate(str.islower, reason="capitals"))
    streamer, backend = await streamed(["LOUD", "quiet"], requirements=[lower])

    events = await collected(streamer.events())

    assert [event.passed for event in events if isinstance(event, FullValidationEvent)] == [False, True]
    assert "capitals" in backend.requests[1].messages[-1].content


async def test_text_that_does_not_fit_the_format_is_repaired():
    class User(BaseModel):
        name: str

    streamer, backend = await streamed(
        ["nonsense", '{"name": "Ada"}'], format=User, requirements=[], chunking=None
    )
    await streamer.acomplete()

    assert streamer.parsed == User(name="Ada")
    assert "no User" in backend.requests[1].messages[-1].content


async def test_budget_ends_with_the_last_attempt():
    streamer, backend = await streamed([["One bad."], ["Two. ", "Still bad."]])

    events = await collected(streamer.events())

    assert events[-1] == CompletedEvent(False, "Two.", 2)
    assert len(backend.requests) == 2
    assert streamer.failed_early
    assert streamer.result.result_index == 1


async def test_repair_is_chosen_by_the_caller():
    streamer, backend = await streamed(STOPPED_THEN_FINE, ctx=ChatContext(), repair=MultiTurnStrategy.repair)
    await streamer.acomplete()

    assert [message.role for message in backend.requests[1].messages] == ["user", "assistant", "user"]


async def test_repair_in_a_conversation_of_its_own_leaves_none_of_it_behind():
    streamer, _ = await streamed(STOPPED_THEN_FINE, repair=MultiTurnStrategy.repair)
    await streamer.acomplete()

    assert [type(span).__name__ for span in streamer.context.as_list()][:1] == ["Instruction"]
    assert str(streamer.context.last_output()) == "All fine."
    assert not any(isinstance(span, Message) for span in streamer.context.as_list())


async def test_rejection_asks_the_same_again_with_a_seed_of_its_own():
    streamer, backend = await streamed(
        STOPPED_THEN_FINE, repair=RejectionSamplingStrategy.repair, model_options={ModelOption.SEED: 7}
    )
    await streamer.acomplete()

    first, second = backend.requests
    assert first.messages == second.messages
    assert first.options["seed"] == 7 != second.options["seed"]


async def test_each_attempt_has_checks_of_its_own():
    seen = []
    streamer, _ = await streamed(
        [["a "], ["b "]], requirements=[Remembering(seen), Without("a")], chunking="word"
    )
    await streamer.acomplete()

    assert seen[0] == ("a",)
    assert ("b",) in seen


async def test_word_split_by_pieces_is_avoided_in_the_second_attempt_too():
    streamer, _ = await streamed(
        [["a c", "at."], ["a c", "at."]], requirements=[avoids("cat")], chunking=None
    )
    await streamer.acomplete()

    assert [bool(attempt.success) for attempt in streamer.attempts] == [False, False]


async def test_every_attempt_is_kept():
    streamer, _ = await streamed(STOPPED_THEN_FINE)
    await streamer.acomplete()

    assert [str(attempt.output) for attempt in streamer.attempts] == ["Good. So bad.", "All fine."]
    assert (streamer.result.result_index, streamer.result.success) == (1, True)
