"""The first answers of all lanes in one request, where the backend can draw several."""

import asyncio

import pytest

from mellea.core import Capability, CBlock, Chunk, ModelOption, RateLimitError, RequestRejectedError, Usage
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import word_count
from mellea.stdlib.sampling import BestOfNSamplingStrategy, RejectionSamplingStrategy
from mellea.testing import ScriptedBackend


class Drawing(ScriptedBackend):
    """Draws as many answers as it is asked for, or fewer."""

    def __init__(self, answers, *, at_most=99):
        super().__init__("", capabilities=[Capability.N_SAMPLES, Capability.SEED])
        self._texts = iter(answers)
        self._at_most = at_most

    async def stream_chat(self, request):
        self.requests.append(request)
        for index in range(min(request.n, self._at_most)):
            yield Chunk(
                text=next(self._texts),
                finish_reason="stop",
                usage=None if index else Usage(3, 4),
                index=index,
            )


async def best_of_three(backend, **kwargs):
    strategy = BestOfNSamplingStrategy(3, reward=len)
    return await strategy.sample(CBlock("x"), SimpleContext(), backend, [], **kwargs)


async def test_one_request_draws_the_answers_of_all_lanes():
    backend = Drawing(["a", "ccc", "bb"])

    result = await best_of_three(backend)

    assert result.value == "ccc"
    assert [request.n for request in backend.requests] == [3]
    assert result.usage.total_tokens == 7


async def test_lanes_that_get_no_answer_ask_by_themselves():
    backend = Drawing(["a", "bb", "ccc"], at_most=1)

    result = await best_of_three(backend)

    assert sorted(str(attempt.output) for attempt in result.attempts) == ["a", "bb", "ccc"]
    assert sorted(request.n for request in backend.requests) == [1, 1, 3]


async def test_with_a_seed_each_lane_asks_with_its_own():
    backend = Drawing(["a", "bb", "ccc"])

    await best_of_three(backend, model_options={ModelOption.SEED: 7})

    assert [request.n for request in backend.requests] == [1, 1, 1]


async def test_later_rounds_ask_by_themselves():
    backend = Drawing(["one two three", "four five six", "seven"])
    strategy = RejectionSamplingStrategy(loop_budget=2, concurrency_budget=2)

    result = await strategy.sample(CBlock("x"), SimpleContext(), backend, [word_count(at_most=1)])

    assert result.value == "seven"
    assert backend.requests[0].n == 2
    assert {request.n for request in backend.requests[1:]} == {1}


async def test_error_of_the_request_is_every_lanes():
    class Failing(Drawing):
        async def stream_chat(self, request):
            raise RateLimitError("slow down")
            yield

    with pytest.raises(RateLimitError):
        await RejectionSamplingStrategy(concurrency_budget=2).sample(
            CBlock("x"), SimpleContext(), Failing([]), []
        )


async def test_cancelling_the_call_ends_the_request():
    ended = asyncio.Event()
    begun = asyncio.Event()

    class Waiting(Drawing):
        async def stream_chat(self, request):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            yield

    task = asyncio.create_task(best_of_three(Waiting([])))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()


async def seeds_of_two_rounds(backend, **kwargs):
    await RejectionSamplingStrategy(loop_budget=2).sample(
        CBlock("x"), SimpleContext(), backend, [word_count(at_most=1)], **kwargs
    )
    return [request.options.get("seed") for request in backend.requests]


async def test_second_attempt_draws_anew_where_the_backend_may_be_greedy():
    first, second = await seeds_of_two_rounds(ScriptedBackend("two words"))

    assert first is None
    assert isinstance(second, int)


async def test_temperature_of_the_call_is_left_to_decide():
    assert await seeds_of_two_rounds(
        ScriptedBackend("two words"), model_options={ModelOption.TEMPERATURE: 0.0}
    ) == [None, None]


async def test_server_that_bounds_the_number_of_answers_is_asked_for_each():
    class Bounded(Drawing):
        async def stream_chat(self, request):
            if request.n > 2:
                self.requests.append(request)
                raise RequestRejectedError("n is at most 2")
            async for chunk in super().stream_chat(request):
                yield chunk

    backend = Bounded(["a", "bb", "ccc"])

    result = await best_of_three(backend)

    assert result.value == "ccc"
    assert sorted(request.n for request in backend.requests) == [1, 1, 1, 3]
