"""The engine of the local backend under load: cancelled, shared by threads, left early; it works on."""

import asyncio
import gc
import random
import threading
from collections import Counter

import pytest

from mellea import ChatContext, MelleaSession, ModelOption
from mellea.core import MelleaError, UsageError
from mellea_hf import LocalHFBackend
from mellea_hf._engine import engine
from tests.hf import tiny

CANCELLED = 200
THREADS = 32


@pytest.fixture(scope="module")
def parts():
    return engine.submit(lambda: (tiny.tokenizer(), tiny.model(window=4096), "cpu")).result()


@pytest.fixture
def session(parts):
    options = {ModelOption.MAX_NEW_TOKENS: 8, ModelOption.TEMPERATURE: 0.0}
    with LocalHFBackend("tiny", custom_config=parts, model_options=options) as backend:
        yield MelleaSession(backend, ChatContext())


async def test_cancelled_calls_leave_the_engine_free(session):
    draw = random.Random(7)
    expected = str(await session.clone().aact("Hi.", await_result=True))
    threads = threading.active_count()

    async def cancelled(number):
        options = {ModelOption.STREAM: number % 2 == 0, ModelOption.MAX_NEW_TOKENS: 500}
        task = asyncio.ensure_future(
            session.aact(f"call {number}", model_options=options, await_result=number % 3 == 0)
        )
        await asyncio.sleep(draw.random() * 0.02)
        task.cancel()
        for answer in await asyncio.gather(task, return_exceptions=True):
            if not isinstance(answer, BaseException):
                await answer.cancel_generation()

    for _ in range(10):
        await asyncio.gather(*map(cancelled, range(CANCELLED // 10)))

    assert str(await session.clone().aact("Hi.", await_result=True)) == expected
    assert session.ctx.as_list() == []
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert threading.active_count() <= threads + 1


def test_threads_share_one_session(session):
    ends, lock = Counter(), threading.Lock()

    def work(number):
        for turn in range(2):
            options = {} if (number + turn) % 4 else {ModelOption.TEMPERATURE: -1.0}
            try:
                session.chat(f"thread {number}", model_options=options)
                said = "answer"
            except MelleaError as error:
                said = type(error).__name__
            with lock:
                ends[said] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not any(thread.is_alive() for thread in threads)
    assert ends == {"answer": 48, UsageError.__name__: 16}
    assert len(session.ctx.as_list()) == 2 * ends["answer"]


async def test_streams_that_nobody_reads_to_their_end_leave_the_engine_free(session):
    for number in range(30):
        pieces = aiter(await session.clone().astream_chat(f"call {number}"))
        await anext(pieces, None)
        await pieces.aclose()
    gc.collect()

    assert await session.clone().aact("Hi.", await_result=True)
