"""What a session remembers of calls that overlap, fail, and end in any order."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mellea.core import Backend, Chunk, GenerationCancelledError, ModelOption, ServerError
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.session import MelleaSession
from mellea.stdlib.session._history import History
from tests.core.gated import Gate

OUTCOMES = st.lists(st.booleans(), max_size=6)


class Steered(Backend):
    """Answers or fails when the test says so, call by call."""

    def __init__(self, outcomes):
        super().__init__("s", model_options={ModelOption.MAX_RETRIES: 0})
        self.outcomes = outcomes
        self.gates = [Gate() for _ in outcomes]

    async def stream_chat(self, request) -> AsyncIterator[Chunk]:
        index = int(request.messages[-1].content)
        await self.gates[index].passed()
        if not self.outcomes[index]:
            raise ServerError("down")
        yield Chunk(text=f"a{index}")


async def remembered(session, calls, order):
    """Let the calls end in an order, and return what the session remembers then."""
    for index in order:
        session.backend.gates[index].open()
        await asyncio.sleep(0)
    await asyncio.gather(*calls, return_exceptions=True)
    return [str(span) for span in session.ctx.as_list()]


def pairs(indices):
    return [text for index in indices for text in (str(index), f"a{index}")]


def orders(outcomes):
    return st.tuples(st.just(outcomes), st.permutations(range(len(outcomes))))


@settings(deadline=None, max_examples=60)
@given(OUTCOMES.flatmap(orders))
def test_lazy_calls_that_stand_alone_are_remembered_in_the_order_of_their_start(case):
    outcomes, order = case

    async def main():
        m = MelleaSession(Steered(outcomes), SimpleContext())
        thunks = [await m.aact(str(index)) for index in range(len(outcomes))]
        return await remembered(m, [thunk.avalue() for thunk in thunks], order)

    assert asyncio.run(main()) == pairs(index for index, ok in enumerate(outcomes) if ok)


@settings(deadline=None, max_examples=60)
@given(OUTCOMES.flatmap(orders))
def test_lazy_calls_of_a_conversation_are_remembered_up_to_the_first_failure(case):
    outcomes, order = case

    async def main():
        m = MelleaSession(Steered(outcomes), ChatContext())
        thunks = [await m.aact(str(index)) for index in range(len(outcomes))]
        return await remembered(m, [thunk.avalue() for thunk in thunks], order)

    assert asyncio.run(main()) == pairs(range([*outcomes, False].index(False)))


@settings(deadline=None, max_examples=60)
@given(OUTCOMES.flatmap(orders))
def test_awaited_calls_that_overlap_are_all_remembered_but_the_failed_ones(case):
    outcomes, order = case

    async def main():
        m = MelleaSession(Steered(outcomes), ChatContext())
        calls = [asyncio.ensure_future(m.achat(str(index))) for index in range(len(outcomes))]
        return await remembered(m, calls, order)

    found = asyncio.run(main())
    good = [index for index, ok in enumerate(outcomes) if ok]
    assert sorted(zip(found[::2], found[1::2], strict=True)) == [(str(index), f"a{index}") for index in good]


@pytest.mark.parametrize("make", [SimpleContext, ChatContext])
def test_same_action_asked_twice_is_forgotten_once(make):
    async def main():
        m = MelleaSession(Steered([True, False]), make())
        ok = await m.aact("0")
        action = m.ctx.previous_node.node_data
        m.backend.gates[0].open()
        await ok.avalue()
        m.backend.outcomes = [False]
        again = await m.aact(action)
        await asyncio.gather(again.avalue(), return_exceptions=True)
        return [str(span) for span in m.ctx.as_list()]

    assert asyncio.run(main()) == ["0", "a0"]


async def interrupted(history, meanwhile):
    """Wait in a block that can be interrupted; ``meanwhile`` says what happens to the waiting task."""
    waiting = asyncio.Event()

    async def work():
        with history.interruptible():
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await waiting.wait()
    meanwhile(task)
    await asyncio.wait([task])
    return task


async def test_interrupted_work_ends_with_our_error_and_leaves_its_task_uncancelled():
    history = History(SimpleContext())
    task = await interrupted(history, lambda task: history.interrupt())
    assert isinstance(task.exception(), GenerationCancelledError)
    assert task.cancelling() == 0


async def test_task_that_its_owner_cancels_is_cancelled_even_when_it_is_interrupted_too():
    history = History(SimpleContext())

    def both(task):
        history.interrupt()
        task.cancel()

    assert (await interrupted(history, both)).cancelled()


async def test_interrupting_ends_work_within_work_of_one_task():
    history = History(SimpleContext())
    waiting = asyncio.Event()

    async def work():
        with history.interruptible(), history.interruptible():
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await waiting.wait()
    history.interrupt()
    await asyncio.wait([task])
    assert isinstance(task.exception(), GenerationCancelledError)
    assert task.cancelling() == 0


async def test_work_that_has_ended_is_not_interrupted():
    history = History(SimpleContext())
    with history.interruptible():
        history.interrupt()
    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0
