"""A checked stream on a real model that is stopped before its end."""

from mellea import ChatContext, ModelOption
from mellea.core import PartialValidationResult, Requirement
from mellea.stdlib.components import Instruction
from mellea.stdlib.streaming import RetryEvent, stream

LONG = {ModelOption.MAX_NEW_TOKENS: 120, ModelOption.SEED: 1, ModelOption.TEMPERATURE: 0.7}


class FewWords(Requirement):
    """At most so many words, which is known before the text is complete."""

    def __init__(self, limit):
        super().__init__(f"Use at most {limit} words.", self.check, check_only=True)
        self.limit = limit
        self.seen = 0

    def check(self, ctx):
        return len(str(ctx.last_output()).split()) <= self.limit, "too many words"

    async def stream_validate(self, chunk, *, backend, ctx):
        self.seen += len(chunk.split())
        return PartialValidationResult(
            "fail" if self.seen > self.limit else "unknown", reason=f"more than {self.limit} words"
        )


async def test_generation_stops_at_the_first_chunk_that_fails(session):
    task = Instruction("Write a long story about a lighthouse.")

    async with await stream(
        task, session.backend, ChatContext(), requirements=[FewWords(5)], chunking="word", model_options=LONG
    ) as streamed:
        words = [chunk async for chunk in streamed]

    assert (streamed.success, streamed.failed_early, streamed.completed_normally) == (False, True, False)
    assert len(words) == 5
    assert "more than 5 words" in streamed.failure_reason
    assert streamed.mot.error is not None


async def test_stopped_stream_leaves_the_server_idle(llama, llama_server):
    task = Instruction("Write a long story about a lighthouse.")
    streamed = await stream(
        task, llama.backend, ChatContext(), requirements=[FewWords(3)], chunking="word", model_options=LONG
    )

    await streamed.acomplete()

    assert streamed.failed_early
    assert llama_server.wait_until_idle(seconds=5)


async def test_stream_that_begins_again_tells_the_reader(session):
    task = Instruction("Write a long story about a lighthouse.")
    streamed = await stream(
        task,
        session.backend,
        ChatContext(),
        requirements=[FewWords(5)],
        chunking="word",
        model_options=LONG,
        loop_budget=2,
    )

    events = [event async for event in streamed.events()]

    assert [event.attempt for event in events if isinstance(event, RetryEvent)] == [1]
    assert len(streamed.attempts) == 2
